"""Stream time in a fixed number of buckets: they merge in pairs as a run grows, so memory stays the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKETS = 256
_FIRST_WIDTH_S = 1 / 32  # a power of two, as every width after it: the edges of buckets are exact numbers
_FINEST_NS, _STEP = 1e5, math.log(1.05)  # spreads count durations from 0.1 ms in bins of 5 %: right to 2.5 %
_BINS = 1 + math.ceil(math.log(1e12 / _FINEST_NS) / _STEP)  # … to 1000 s

Numbers = NDArray[np.float64]


class Timeline:
    """The clock of several series. A bucket starts where the one before it ends; the first at 0."""

    def __init__(self) -> None:
        self.width_s = _FIRST_WIDTH_S
        self.used = 0
        """Buckets up to the last one that something happened in."""
        self._arrays: list[NDArray[Any]] = []

    def bucket(self, seconds: float) -> int:
        """The bucket of a moment, below 0 the first; where there is none, buckets become twice as wide until it is."""
        while seconds >= self.width_s * BUCKETS:
            self._merge()
        index = int(seconds / self.width_s) if seconds > 0 else 0
        self.used = max(self.used, index + 1)
        return index

    def series(self) -> Numbers:
        """A number per bucket, 0 at first; ``series[timeline.bucket(s)] += x`` keeps sums."""
        return self._kept(np.zeros(BUCKETS, np.float64))

    def spread(self) -> Spread:
        """Durations per bucket."""
        return Spread(self._kept(np.zeros((BUCKETS, _BINS), np.int32)))

    def _kept(self, array: NDArray[Any]) -> NDArray[Any]:
        self._arrays.append(array)
        return array

    def _merge(self) -> None:
        half = BUCKETS // 2
        for array in self._arrays:
            array[:half] = array[0::2] + array[1::2]
            array[half:] = 0
        self.width_s *= 2
        self.used = -(-self.used // 2)


class Spread:
    """How durations are spread, bucket by bucket. counts: int32 (buckets, bins)."""

    def __init__(self, counts: NDArray[np.int32]) -> None:
        self._counts = counts

    def add(self, bucket: int, nanoseconds: int) -> None:
        """Count one duration."""
        index = int(math.log(nanoseconds / _FINEST_NS) / _STEP) if nanoseconds > _FINEST_NS else 0
        self._counts[bucket, min(index, _BINS - 1)] += 1

    def percentiles_ms(self, view: View, share: float) -> Numbers:
        """Per shown point: the duration in ms that ``share`` (0 … 1) of its durations do not exceed; NaN: none."""
        counts = view.summed(self._counts)
        reached = np.cumsum(counts, axis=1)
        wanted = np.maximum(1, np.ceil(share * reached[:, -1:]))
        index = np.argmax(reached >= wanted, axis=1)
        values = np.exp((index + 0.5) * _STEP) * _FINEST_NS / 1e6
        return np.where(reached[:, -1] > 0, values, np.nan)


class View:
    """Buckets joined to points of a chart: few enough to draw, wide enough to hold some frames each."""

    def __init__(self, timeline: Timeline, frames: int, *, most: int = 96, frames_each: float = 6) -> None:
        """frames: how many the run had; most: points of a chart; frames_each: that a point stands for, about."""
        self._used = max(timeline.used, 1)
        by_frames = math.ceil(frames_each * self._used / max(frames, 1))
        self._joined = min(self._used, max(math.ceil(self._used / most), by_frames))
        self.width_s = timeline.width_s * self._joined
        self.points = math.ceil(self._used / self._joined)

    def summed(self, array: NDArray[Any]) -> NDArray[Any]:
        """Sums of a series (first axis) per point."""
        padded = np.zeros((self.points * self._joined, *array.shape[1:]), array.dtype)
        padded[: self._used] = array[: self._used]
        summed: NDArray[Any] = padded.reshape(self.points, self._joined, *array.shape[1:]).sum(axis=1)
        return summed
