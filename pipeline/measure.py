"""Measuring: durations of stages in constant memory, however long a run lasts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.span import Span

_STEP = math.log(1.02)  # neighbouring bins differ by 2 %, so a percentile is right to 1 %
_BINS = 1 + math.ceil(math.log(1e12) / _STEP)  # 1 ns … 1000 s


class Histogram:
    """Counts durations in bins of 2 % width, and keeps the mean since somebody last looked. For any thread."""

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self.count = 0
        self._recent_ns = 0
        self._recent_count = 0
        self._lock = threading.Lock()

    def add(self, nanoseconds: int) -> None:
        """Count one duration; below 1 ns counts as 1 ns, above 1000 s as 1000 s."""
        index = int(math.log(nanoseconds) / _STEP) if nanoseconds > 1 else 0
        with self._lock:
            self._counts[min(index, _BINS - 1)] += 1
            self.count += 1
            self._recent_ns += nanoseconds
            self._recent_count += 1

    @classmethod
    def of_all(cls, parts: Iterable[Histogram]) -> Histogram:
        """One that counts what all of them have counted so far."""
        made = cls()
        for part in parts:
            with part._lock:
                made._counts = [mine + its for mine, its in zip(made._counts, part._counts, strict=True)]
                made.count += part.count
        return made

    def recent_ms(self) -> float | None:
        """Mean ms since the last call; None when nothing came."""
        with self._lock:
            count, total = self._recent_count, self._recent_ns
            self._recent_ns = self._recent_count = 0
        return total / count / 1e6 if count else None

    def percentile_ms(self, share: float) -> float | None:
        """The duration that ``share`` (0 … 1) of the counted ones do not exceed, in ms; None: nothing counted."""
        if self.count == 0:
            return None
        wanted, seen = max(1, math.ceil(share * self.count)), 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return math.exp((index + 0.5) * _STEP) / 1e6
        return None

    def percentiles(self) -> dict[str, float | None]:
        """p50, p95 and p99 in ms, rounded for people."""
        values = {f"p{round(share * 100)}": self.percentile_ms(share) for share in (0.5, 0.95, 0.99)}
        return {key: None if value is None else round(value, 3) for key, value in values.items()}

    def summary(self) -> dict[str, float | None]:
        """The same under names that say the unit."""
        return {f"{key}_ms": value for key, value in self.percentiles().items()}


class StageMeter:
    """One stage's wall durations and the CPU time of its thread; ``add`` is called by that thread."""

    def __init__(self) -> None:
        self.wall = Histogram()
        self.cpu_ns = 0

    def add(self, span: Span) -> None:
        """Count one frame's span."""
        self.wall.add(span.end - span.start)
        self.cpu_ns += span.cpu

    @classmethod
    def of_all(cls, parts: Sequence[StageMeter]) -> StageMeter:
        """One that counts what all of them have counted so far."""
        made = cls()
        made.wall = Histogram.of_all(part.wall for part in parts)
        made.cpu_ns = sum(part.cpu_ns for part in parts)
        return made

    def summary(self) -> dict[str, float | None]:
        """Percentiles of wall time and mean CPU time of the stage's own thread, ms per frame."""
        cpu = round(self.cpu_ns / self.wall.count / 1e6, 3) if self.wall.count else None
        return {**self.wall.summary(), "cpu_ms": cpu}


@dataclass(slots=True)
class Stopwatch:
    """Filled in when its ``with`` block ends."""

    span: Span | None = None


@contextmanager
def timed(stage: str) -> Iterator[Stopwatch]:
    """Measure a block: wall by the monotonic clock, CPU of the calling thread."""
    watch = Stopwatch()
    start, cpu = time.monotonic_ns(), time.thread_time_ns()
    yield watch
    watch.span = Span(stage, start, time.monotonic_ns(), time.thread_time_ns() - cpu)


class Meters:
    """A meter per stage, made when first asked for; order is the order of first use."""

    def __init__(self) -> None:
        self._meters: dict[str, StageMeter] = {}
        self._lock = threading.Lock()

    def __getitem__(self, stage: str) -> StageMeter:
        with self._lock:
            return self._meters.setdefault(stage, StageMeter())

    def items(self) -> list[tuple[str, StageMeter]]:
        """Stages and their meters so far."""
        with self._lock:
            return list(self._meters.items())

    def add(self, span: Span) -> None:
        """Count a span under its stage."""
        self[span.stage].add(span)
