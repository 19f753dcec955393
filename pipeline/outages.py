"""Outages that the first frame after them would tell of, had it not been dropped."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from contracts.frame import Frame
from contracts.live import Outage


class UntoldOutages:
    """Hands every outage to the first frame that gets through. ``heard`` and ``told`` may be of two threads."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Outage]] = deque()  # frame's index

    def heard(self, frame: Frame) -> None:
        """A frame came from the source; it may still be dropped."""
        if frame.outage is not None:
            self._waiting.append((frame.index, frame.outage))

    def told(self, frame: Frame) -> Frame:
        """A frame that gets through, with all outages since the last one as one."""
        if not self._waiting or self._waiting[0][0] > frame.index:
            return frame
        outage = self._waiting.popleft()[1]
        while self._waiting and self._waiting[0][0] <= frame.index:
            later = self._waiting.popleft()[1]
            outage = Outage(outage.seconds + later.seconds, outage.lost + later.lost, later.reason)
        return replace(frame, outage=outage)
