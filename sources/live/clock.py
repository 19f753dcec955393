"""LiveClock: time stamps of a stream that comes and goes → seconds that start at 0 and always rise."""

from __future__ import annotations

from fractions import Fraction

_NS = 1_000_000_000
_JUMP_S = 15
"""Seconds by which a stream's clock may leave ours between two pictures before it counts as set anew. More than a
network's longest stall, whose pictures come late but with their right times."""


class LiveClock:
    """Places pictures by their own stamps within a connection, and by their arrival where those say nothing.

    That is between two connections, for a picture without a stamp, and where a camera's clock was set.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._offset: Fraction | None = None  # pts minus stamp
        self._last: tuple[Fraction, int] | None = None  # pts, arrival

    def connected(self, time_base: Fraction) -> None:
        """From here on stamps are those of another connection. time_base: its seconds per tick."""
        self._time_base, self._offset = time_base, None

    def place(self, stamp: int | None, arrival: int) -> Fraction:
        """Seconds of a picture after the first. stamp: ticks; arrival: monotonic ns."""
        expected = self._by_arrival(arrival)
        own = None if stamp is None else stamp * self._time_base
        pts = expected
        if own is not None:
            if self._offset is None or abs(own + self._offset - expected) > _JUMP_S:
                self._offset = expected - own
            pts = own + self._offset
        if self._last is not None and pts <= self._last[0]:
            pts = self._last[0] + self._time_base
        self._last = (pts, arrival)
        return pts

    def _by_arrival(self, arrival: int) -> Fraction:
        """Where the picture belongs by our clock, in whole ticks."""
        if self._last is None:
            return Fraction(0)
        passed = Fraction(arrival - self._last[1], _NS)
        return self._last[0] + max(round(passed / self._time_base), 1) * self._time_base
