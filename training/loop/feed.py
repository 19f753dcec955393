"""Batches of augmented samples, made by other processes ahead of need; what they are does not depend on how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from contracts.errors import RoadStreamError, SourceError
from training.augment.augmenter import Augmenter
from training.data.batch import Batch, collate
from training.loop.draws import Draw

_LONGEST_WAIT_S = 600
"""For one batch of the workers."""
_AHEAD = 3
"""Batches per worker that wait to be used."""
_ENDED = ("DataLoader worker", "DataLoader timed out")
"""How torch begins to say that a worker is gone, or gives nothing."""

Key = TypeVar("Key")
Made = TypeVar("Made")


class Batches(Dataset[Batch]):
    """Draws → Batch, in whatever process."""

    def __init__(self, augmenter: Augmenter, mask_heads: Sequence[str]) -> None:
        self._augmenter = augmenter
        self._mask_heads = tuple(mask_heads)

    def __getitem__(self, draws: tuple[Draw, ...]) -> Batch:
        samples = [self._augmenter(draw.index, draw.number, mosaic=draw.mosaic) for draw in draws]
        return collate(samples, self._mask_heads)


class _Fallible(Dataset[Made | RoadStreamError]):
    """The same, an error of ours as a value: DataLoader would make a text of many lines of it."""

    def __init__(self, inner: Dataset[Made]) -> None:
        self._inner = inner

    def __getitem__(self, key: Key) -> Made | RoadStreamError:
        try:
            return self._inner[key]
        except RoadStreamError as error:
            return error


class _Keys(Iterable[Key]):
    """Keys as DataLoader wants its sampler."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)


def loaded(items: Dataset[Made], keys: Iterable[Key], workers: int) -> Iterator[Made]:
    """The items of these keys, in order, made by ``workers`` processes (0: by this one). Raises SourceError.

    The workers end with the iterator. Raises what making an item raises, if it is one of our errors.
    """
    loader = DataLoader(
        _Fallible(items),
        sampler=_Keys(keys),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_settle_worker,
        prefetch_factor=_AHEAD if workers else None,
        timeout=_LONGEST_WAIT_S if workers else 0,
        generator=torch.Generator(),  # its own, for a seed that nothing here uses
    )
    with named_worker_deaths():
        for item in loader:
            if isinstance(item, RoadStreamError):
                raise item
            yield item


@contextmanager
def named_worker_deaths() -> Iterator[None]:
    """SourceError where a worker dies, as when memory ends.

    Also around what is done with the items: torch raises from a signal handler, wherever this process happens to be.
    """
    try:
        yield
    except RuntimeError as fault:
        if not str(fault).startswith(_ENDED):  # torch has no exception of its own for it
            raise
        raise SourceError(
            f"a process that reads samples ended: {str(fault).splitlines()[0]}",
            "out of memory? lower workers: or batch:; in a container give more shared memory (--shm-size)",
        ) from fault


def _as_it_is(item: Made) -> Made:
    return item


def _settle_worker(_worker: int) -> None:
    """One thread each, or the workers fight over the cores; Ctrl-C is the parent's to handle."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
