"""Latency, age, drops and losses over stream time. Told by several threads."""

from __future__ import annotations

import threading

from outputs.report.timeline import Timeline


class Delays:
    """Filled while the run lasts; read when it is over."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.frames = self.frames_with_age = 0
        self.latency, self.age = self.timeline.spread(), self.timeline.spread()
        self.dropped, self.lost = self.timeline.series(), self.timeline.series()
        self._counted = (0, 0)
        self._last_s = 0.0
        self._lock = threading.Lock()

    def add(self, seconds: float, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        """One frame that every output has; ``dropped`` and ``lost`` are the run's sums so far."""
        with self._lock:
            bucket = self.timeline.bucket(seconds)
            self.frames += 1
            self._last_s = max(self._last_s, seconds)
            self.latency.add(bucket, latency_ns)
            if age_ns is not None:
                self.frames_with_age += 1
                self.age.add(bucket, age_ns)
            self._count(bucket, dropped, lost)

    def conclude(self, dropped: int, lost: int) -> None:
        """The run's final sums: what went missing behind the last frame belongs to the end."""
        with self._lock:
            self._count(self.timeline.bucket(self._last_s), dropped, lost)

    def _count(self, bucket: int, dropped: int, lost: int) -> None:
        before = self._counted
        if dropped > before[0] or lost > before[1]:
            self.dropped[bucket] += max(0, dropped - before[0])
            self.lost[bucket] += max(0, lost - before[1])
            self._counted = (max(dropped, before[0]), max(lost, before[1]))
