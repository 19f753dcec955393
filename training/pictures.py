"""Frames of sources as a network's input tensors, made by the very code that feeds it in a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.picture import Picture
from contracts.protocols import Engine
from contracts.tensor import TensorSpec
from engines.inputs import resolve_input
from engines.prepare import Preparer
from sources.open import open_source
from training.onnx_files import of_one

_SEEK_BEYOND = 60
"""Frames between two that are wanted, above which seeking is faster than decoding what lies between them."""


class _Feed:
    """The part of an Engine that a Preparer looks at: an input, a card, and memory of one's own for each picture."""

    def __init__(self, card: Card, spec: TensorSpec) -> None:
        self.card = card
        self.inputs = (spec,)

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        return np.empty(spec.shape, spec.dtype)


def tensors(card: Card, inputs: Sequence[TensorSpec], pictures: Iterator[Picture]) -> Iterator[NDArray[Any]]:
    """Each picture as the network's input, a batch of one. Raises EngineError where the card does not fit ``inputs``.

    inputs: as the file has them; the arithmetic of the card is done here. Each array belongs to the caller.
    """
    spec = resolve_input(card, [of_one(spec) for spec in inputs])
    preparer = Preparer(cast("Engine", _Feed(card, spec)))
    for picture in pictures:
        arrays, _ = preparer.prepare(picture)
        yield arrays[spec.name]


def frames_of(uris: Sequence[str], count: int) -> Iterator[Picture]:
    """``count`` pictures in all, shared out among the sources and spread evenly over each.

    (The first ones where nobody knows a source's length.) Raises SourceError and UsageError.
    """
    for position, uri in enumerate(uris):
        share = count // len(uris) + (position < count % len(uris))
        if share:
            yield from _spread(uri, share)


def _spread(uri: str, count: int) -> Iterator[Picture]:
    with closing(open_source(uri)) as source:
        step = max(1, (source.info.frames or 0) // count)
        rate = source.info.rate
        if step <= _SEEK_BEYOND or rate is None or uri.startswith("synthetic:"):
            for frame in islice(source.frames(), 0, step * count, step):
                yield frame.picture
            return
    for position in range(count):
        with closing(open_source(uri, start=float(position * step / rate))) as source:
            for frame in islice(source.frames(), 1):
                yield frame.picture
