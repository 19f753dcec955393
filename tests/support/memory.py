"""What of a run is still in memory."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterable

from contracts.result import Result


def most_alive(results: Iterable[Result]) -> int:
    """How many pictures of results there were at the most that somebody still had when the next one was asked for."""
    gc.collect()
    gc.freeze()  # what was there before needs no looking through with every frame
    try:
        return _most_alive(results)
    finally:
        gc.unfreeze()


def _most_alive(results: Iterable[Result]) -> int:
    alive: set[int] = set()
    numbers = itertools.count()
    most = 0
    for result in results:
        number = next(numbers)
        alive.add(number)
        weakref.finalize(result.frame.picture, alive.discard, number)
        del result
        gc.collect()
        most = max(most, len(alive))
    return most
