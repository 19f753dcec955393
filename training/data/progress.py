"""Progress of work over many files: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Say = Callable[[str], None]
_LINES = 5
_AHEAD = 64


def worked(work: Callable[[Item], Made], items: Sequence[Item], what: str, say: Say) -> Iterator[Made]:
    """``work`` of each item, in order, on all cores (reading pictures leaves Python alone); says how far it is."""
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="data") as pool:
        yield from followed(_in_order(pool, work, items), len(items), what, say)


def _in_order(pool: ThreadPoolExecutor, work: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Bounded: what is done and not yet taken holds no pictures of a whole set."""
    for start in range(0, len(items), _AHEAD):
        yield from pool.map(work, items[start : start + _AHEAD])


def followed(items: Iterator[Item], total: int, what: str, say: Say) -> Iterator[Item]:
    """The items, and how far they are."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, unit="", leave=False)
        return
    step = max(total // _LINES, 1)
    for number, item in enumerate(items, 1):
        yield item
        if total >= 10 * _LINES and number % step == 0:
            say(f"{what}: {number} of {total}")
