"""What a grid knows of its sources: a cell for each, filled by the source's run as by any other output."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result, Timings
from pipeline.grid_figures import GridFigures

_WAITING = 3  # pictures of a recorded source that wait for the others
_WAKE_S = 0.5


class Cell:
    """An Output of one source. Recorded: pictures wait until their time has come; live: the latest one counts.

    It is ``Selective`` and an ``Accountant``: pictures that the grid never showed were not written.
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
        self._pictures: deque[tuple[Fraction, Picture, Timings]] = deque()
        self._offset: Fraction | None = None
        self._timings: Timings | None = None  # of what it shows
        self._painted: Timings | None = None  # of what is new in the picture of the grid that is on its way
        self.figures = GridFigures()

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
            if self.over:  # nobody looks any more
                self.figures.replaced += 1
            elif self._latest_only:
                self._show(picture, result.timings)
            else:
                self._pictures.append((result.frame.pts, picture, result.timings))
            self._changed.notify_all()

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (the source's state tells why)
        """Nothing more comes."""
        self.end()

    @property
    def dropped(self) -> int:
        """Pictures that the grid never showed."""
        return self.figures.replaced

    def counts(self) -> Mapping[str, Any]:
        """What became of its pictures."""
        return self.figures.counts()

    # -- the grid's side, with ``changed`` held ---------------------------------------------------------------------

    def take_latest_only(self) -> None:
        """From now on no picture waits for its time."""
        self._latest_only = True
        while self._pictures:
            self._show(*self._pictures.popleft()[1:])
        self._changed.notify_all()

    def end(self) -> None:
        """Nobody waits for this cell any more."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """The grid has ended: what it has not shown it never will."""
        with self._changed:
            self.over = True
            self.figures.replaced += len(self._pictures) + self.news + (self._painted is not None)
            self._pictures.clear()
            self.news, self._painted = False, None
            self._changed.notify_all()

    def knows(self, time: Fraction) -> bool:
        """Whether it is certain what the cell shows at a time of the grid: a later picture is there, or none comes."""
        return (
            self.over or self._latest_only or (bool(self._pictures) and self._time(self._pictures[0][0], time) > time)
        )

    def advance(self, time: Fraction) -> None:
        """Show the last picture that is due at a time of the grid."""
        while self._pictures and (due := self._time(self._pictures[0][0], time)) <= time:
            self._show(*self._pictures.popleft()[1:])
            rate = self.info.rate if self.info is not None else None
            self.until = due + 1 / rate if rate else due
            self._changed.notify_all()

    def painted(self) -> None:
        """What it shows goes into the next picture of the grid; ``written`` tells when that is out."""
        if self.news:
            self._painted, self.news = self._timings, False

    def written(self, now_ns: int) -> None:
        """The picture of the grid that it was painted into is out. now_ns: monotonic."""
        if self._painted is not None:
            self.figures.add(self._painted, now_ns)
            self._painted = None

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

    def _show(self, picture: Picture, timings: Timings) -> None:
        self.figures.replaced += self.news
        self.shown, self._timings, self.shown_ns, self.news = picture, timings, time.monotonic_ns(), True
