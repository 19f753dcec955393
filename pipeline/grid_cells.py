"""What a grid knows of its sources: a cell for each, filled by the source's run as by any other output."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result

_WAITING = 3  # pictures of a recorded source that wait for the others
_WAKE_S = 0.5


class Cell:
    """An Output of one source. Recorded: pictures wait until their time has come; live: the latest one counts.

    latest_only: that it is so from the beginning. changed: tells the grid of whatever happens here, guards everything.
    """

    name = "grid"
    wants_drawn = True

    def __init__(self, source: str, changed: threading.Condition, *, latest_only: bool = False) -> None:
        self.source = source
        self.info: SourceInfo | None = None
        self.over = False
        """No picture will come any more."""
        self.shown: Picture | None = None
        """What the cell shows; since ``shown_ns`` (monotonic)."""
        self.shown_ns = 0
        self.until = Fraction(0)
        """When on the grid's clock what a recorded source shows is over, by its nominal rate."""
        self.news = False
        """``shown`` is another one than when the grid was painted last."""
        self.keeps_step = True
        """Whether the others wait for it: not while it gives nothing for too long."""
        self._changed = changed
        self._latest_only = latest_only
        self._pictures: deque[tuple[Fraction, Picture]] = deque()
        self._offset: Fraction | None = None

    # -- the source's side ------------------------------------------------------------------------------------------

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """The source is there."""
        with self._changed:
            (self.info,) = sources
            self._latest_only = self._latest_only or self.info.live
            self._changed.notify_all()

    def write(self, result: Result) -> None:
        """Takes a picture; waits while too many wait, unless only the latest counts."""
        picture = result.drawn()
        with self._changed:
            while len(self._pictures) >= _WAITING and not (self.over or self._latest_only):
                self._changed.wait(_WAKE_S)
            if self._latest_only:
                self._show(picture)
            elif not self.over:  # else nobody looks any more
                self._pictures.append((result.frame.pts, picture))
            self._changed.notify_all()

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (the source's state tells why)
        """Nothing more comes."""
        self.end()

    # -- the grid's side, with ``changed`` held ---------------------------------------------------------------------

    def take_latest_only(self) -> None:
        """From now on no picture waits for its time."""
        self._latest_only = True
        if self._pictures:
            self._show(self._pictures[-1][1])
        self._pictures.clear()
        self._changed.notify_all()

    def end(self) -> None:
        """Nobody waits for this cell any more."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def knows(self, time: Fraction) -> bool:
        """Whether it is certain what the cell shows at a time of the grid: a later picture is there, or none comes."""
        return (
            self.over or self._latest_only or (bool(self._pictures) and self._time(self._pictures[0][0], time) > time)
        )

    def advance(self, time: Fraction) -> None:
        """Show the last picture that is due at a time of the grid."""
        while self._pictures and (due := self._time(self._pictures[0][0], time)) <= time:
            self._show(self._pictures.popleft()[1])
            rate = self.info.rate if self.info is not None else None
            self.until = due + 1 / rate if rate else due
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether all pictures were shown and none will come."""
        return self.over and not self._pictures

    @property
    def leads(self) -> bool:
        """Whether it has pictures waiting for the others."""
        return bool(self._pictures)

    def _time(self, pts: Fraction, now: Fraction) -> Fraction:
        """When a picture is due; a source that comes late begins when it comes."""
        if self._offset is None:
            self._offset = now - pts
        return pts + self._offset

    def _show(self, picture: Picture) -> None:
        self.shown, self.shown_ns, self.news = picture, time.monotonic_ns(), True
