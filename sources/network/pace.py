"""Pace: how fast pictures come where the stream does not say."""

from __future__ import annotations

from fractions import Fraction

_ENOUGH = 10
"""Intervals between pictures that tell how fast they come."""


class Pace:
    """How fast pictures came by the connections so far, so that those an outage took can be counted."""

    def __init__(self) -> None:
        self.rate: Fraction | None = None
        """Pictures per second; None: too few came yet."""
        self.begin()

    def begin(self) -> None:
        """Another connection."""
        self._first_ns, self._count = 0, -1

    def note(self, arrival: int) -> None:
        """A picture. arrival: monotonic ns."""
        self._count += 1
        if not self._count:
            self._first_ns = arrival
        elif self._count >= _ENOUGH and arrival > self._first_ns:
            self.rate = Fraction(round(self._count * 1e10 / (arrival - self._first_ns)), 10)
