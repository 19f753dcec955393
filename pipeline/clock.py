"""Pacing a recorded source at its own speed, and estimating how old a live frame is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction

_NS = 1_000_000_000


class Pacer:
    """Holds every frame back until its time has come: first frame now, each later one at its pts.

    clock_ns: the clock that pts go by; one that stands while the run is paused, so that nothing is made up for.
    """

    def __init__(self, stop: threading.Event, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._stop, self._clock_ns = stop, clock_ns
        self._zero: int | None = None

    def wait(self, pts: Fraction) -> None:
        """Return when ``pts`` (seconds) is due, or at once when it is late or the run stops."""
        now = self._clock_ns()
        if self._zero is None:
            self._zero = now - int(pts * _NS)
        due = self._zero + int(pts * _NS)
        if due > now:
            self._stop.wait((due - now) / _NS)


class AgeEstimate:
    """Age of a live frame on arrival: arrival − pts, against the smallest value seen.

    What the smallest value hides (a constant delay of network and camera) cannot be known from outside; growth of
    buffers in socket and decoder shows.
    """

    def __init__(self) -> None:
        self._least: int | None = None

    def on_arrival_ms(self, arrival_ns: int, pts: Fraction) -> float:
        """Estimated ms between capture and arrival."""
        offset = arrival_ns - int(pts * _NS)
        self._least = offset if self._least is None else min(self._least, offset)
        return (offset - self._least) / 1e6
