"""Timeline: a stream's own time stamps → seconds that start at 0 and always rise."""

from __future__ import annotations

from fractions import Fraction

from contracts.frame import USUAL_RATE

_DISORDER_S, _DISORDER_FRAMES = 1, 16
"""A step back of more than the longer of these is a clock that was set anew; a smaller one is disorder."""


class Timeline:
    """Places frames one after the other, in whole ticks of the stream's clock.

    - The first frame is at 0.
    - A time stamp that repeats, or steps back a little, is moved to one tick after its predecessor: order is
      kept, and the shift is the least that keeps time rising.
    - A clock that starts again (recordings strung together; ``start_over``) goes on where the last frame ended.
    - A missing time stamp is made up from the frame's own duration or the nominal rate.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._time_base = time_base
        self._nominal = max(1, round(1 / ((rate or USUAL_RATE) * time_base)))
        self._disorder = max(round(_DISORDER_S / time_base), _DISORDER_FRAMES * self._nominal)
        self._zero: int | None = None
        self._last: int | None = None
        self._end = 0

    def place(self, stamp: int | None, duration: int | None, gap: int = 0) -> Fraction:
        """Seconds of a frame after the first. ``stamp`` and ``duration`` in ticks; ``gap``: frames lost before it."""
        step = duration if duration and duration > 0 else self._nominal
        ticks = self._ticks(stamp) if stamp is not None else self._end + (max(gap, 0) * step if self._end else 0)
        self._last, self._end = ticks, ticks + step
        return ticks * self._time_base

    def start_over(self) -> None:
        """The next frame begins when the last one has been shown for its duration, whatever its time stamp."""
        self._zero = None

    def _ticks(self, stamp: int) -> int:
        if self._last is None:
            self._zero = stamp
            return 0
        if self._zero is None or stamp - self._zero < self._last - self._disorder:
            self._zero = stamp - self._end
        return max(stamp - self._zero, self._last + 1)
