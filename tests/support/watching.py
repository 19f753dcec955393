"""Frames of a source as a test looks at them: which picture it is, and where the source says it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from contracts.live import Outage, Patience
from contracts.protocols import Source
from sources.open import open_source
from tests.support.numbered_video import RATE, number_of

QUICK = Patience(open_s=20, read_s=5, reconnect=8)
"""Limits that no busy machine reaches."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame: the number burnt into it, and what the source says of it."""

    number: int | None
    index: int
    pts: Fraction
    arrival: int
    connection: int
    outage: Outage | None


@contextmanager
def opened(uri: str, patience: Patience = QUICK, *, start: float = 0) -> Iterator[Source]:
    """A source for as long as the block lasts."""
    source = open_source(uri, patience=patience, start=start)
    try:
        yield source
    finally:
        source.close()


def watch(source: Source, most: int = 10_000, after: Callable[[int], None] = lambda _: None) -> list[Seen]:
    """The next frames, up to the end of the source. after: called behind each with how many there were so far."""
    seen: list[Seen] = []
    for frame in source.frames():
        number = number_of(frame)
        seen.append(Seen(number, frame.index, frame.pts, frame.arrival, frame.connection, frame.outage))
        after(len(seen))
        if len(seen) == most:
            break
    return seen


def off(seen: list[Seen]) -> set[int]:
    """How far the numbers are from the indices: one value where every gap was counted right."""
    assert all(each.number is not None for each in seen)
    return {(each.number or 0) - each.index for each in seen}


def assert_whole(seen: list[Seen], count: int) -> None:
    """Every picture of a recorded stream, once, in order, at its time."""
    assert [each.number for each in seen] == list(range(count))
    assert [each.index for each in seen] == list(range(count))
    assert [each.pts for each in seen] == [Fraction(index, RATE) for index in range(count)]


def descriptors() -> int:
    """Open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    """Bytes of memory this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def said(records: list[logging.LogRecord], words: str) -> int:
    """How many log lines hold these words."""
    return sum(words in record.getMessage() for record in records)
