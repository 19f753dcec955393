"""Grid: the pictures of several sources brought together in one, for one video and one window.

Recorded sources keep step by their own time: a picture of the grid for every frame of the fastest, and everybody waits
for everybody. Where a source is live, the clock is arrival: a new picture anywhere is a new picture of the grid, at
most as often as the fastest source has one, and every cell shows its latest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from contracts.control import Control
from contracts.errors import RoadStreamError
from contracts.frame import USUAL_RATE, Frame, SourceInfo
from contracts.live import LiveState
from contracts.picture import Picture
from contracts.prediction import Prediction
from contracts.protocols import Output
from contracts.result import Result, Timings
from outputs.draw.grid import GridCell, GridLayout, GridPainter
from outputs.draw.scaling import place_in
from outputs.mp4 import Mp4Output
from outputs.segments import SegmentedMp4Output
from pipeline.grid_cells import Cell
from pipeline.grid_figures import GridFigures
from pipeline.measure import Meters, timed
from pipeline.source_state import SourceState
from pipeline.steadfast import Steadfast

log = logging.getLogger(__name__)

_PATIENCE_NS = 5_000_000_000  # that the others wait for a recorded source which gives nothing
_START_NS = 2_000_000_000  # that a live grid waits for all sources to open
_OLD_NS = 2_000_000_000  # a live picture older than this is not shown as if it were now
_WAKE_S = 0.5
_LONGEST_PAUSE_S = 1.0  # between two pictures that there are; an end need not be waited for longer
_FINISHING_S = 900.0  # finishing a day's recording copies it once
_COMPOSE = "compose"  # the stage that puts the pictures together
_USUAL_SIZE = (1280, 720)  # of a source that is not open yet


class Grid:
    """Owns the thread that puts the pictures together, and the outputs that take them.

    states: of the sources, in the order of ``cells``. failed: hears of the first error. arrival: whether the clock is
    arrival, as far as can be told before the sources are open.
    """

    name = Cell.name

    def __init__(
        self,
        sources: Sequence[str],
        outputs: Sequence[Output],
        control: Control,
        *,
        size: tuple[int, int] | None,
        arrival: bool,
        states: Callable[[], Sequence[SourceState]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._changed = threading.Condition()
        self.cells = tuple(Cell(name, self._changed, latest_only=arrival) for name in sources)
        self.meters = Meters()
        self.outputs = {_stage(output): output for output in outputs}
        self.stages = (_COMPOSE, *self.outputs)
        self._control, self._size = control, size
        self._arrival, self._states, self._failed = arrival, states, failed
        self._ended = threading.Event()
        self._started = False
        self._words: list[str] = []
        self._now = Fraction(0)  # the time that recorded sources have come to
        self._count = 0

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to wait for the sources."""
        self._started = True
        threading.Thread(target=self._work, name="roadstream-grid", daemon=True).start()

    def painted_size(self, info: SourceInfo) -> tuple[int, int]:
        """How large a source's pictures are best drawn: as they lie in their cell where all sources are like it."""
        size = (info.width, info.height)
        cell = GridLayout.of(len(self.cells), size, self._size).cells[0]
        place = place_in(size, (cell.width, cell.height))
        return place.width, place.height

    def close(self) -> None:
        """Finish the outputs; the sources have ended, or nobody waits for them. Raises RoadStreamError if it hangs."""
        for cell in self.cells:
            cell.end()
        waiting, deadline = Steadfast(), time.monotonic() + _FINISHING_S
        while self._started and not waiting.wait(self._ended, _WAKE_S):
            if time.monotonic() > deadline:
                raise RoadStreamError("did not end: grid", "please report this with the log of --debug")
        waiting.tell()

    def counts(self) -> Mapping[str, Any]:
        """Pictures of the grid, and what became of those of its sources."""
        return {"pictures": self._count, **GridFigures.of_all(cell.figures for cell in self.cells).counts()}

    # -- the thread -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        opened: list[Output] = []
        fault: BaseException | None = None
        try:
            typical = self._typical()
            if typical is not None:
                layout = GridLayout.of(len(self.cells), typical, self._size)
                info = self._info(layout)
                for output in self.outputs.values():
                    opened.append(output)
                    output.open([info])
                painter = GridPainter(layout)
                for pts in self._arrivals() if self._arrival else self._steps():
                    self._write(painter, info, pts)
        except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
            fault = error
            self._failed(error)
        for cell in self.cells:
            cell.abandon()  # a source that still writes must not wait for what has ended
        for output in opened:
            try:
                output.close(fault)
            except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
                self._failed(error)
        self._ended.set()

    def _typical(self) -> tuple[int, int] | None:
        """The size of most sources, once all are open or have had time enough for it; None: there will be none."""
        waiting_since: int | None = None
        with self._changed:
            while True:
                infos = [cell.info for cell in self.cells if cell.info is not None]
                if all(cell.over or cell.info is not None for cell in self.cells):
                    break
                if infos and waiting_since is None:
                    waiting_since = time.monotonic_ns()
                patience = _START_NS if self._arrival else _PATIENCE_NS
                if waiting_since is not None and time.monotonic_ns() - waiting_since > patience:
                    break
                self._changed.wait(_WAKE_S)
            infos = [cell.info for cell in self.cells if cell.info is not None]
            self._arrival = self._arrival or any(info.live for info in infos)
            for cell in self.cells if self._arrival else ():
                cell.take_latest_only()
            coming = sum(cell.info is None and not cell.over for cell in self.cells)
        sizes = [(info.width, info.height) for info in infos]
        return _typical([*sizes, *[_USUAL_SIZE] * coming]) if sizes else None

    def _info(self, layout: GridLayout) -> SourceInfo:
        rate = self._rate()
        return SourceInfo("grid", "grid", layout.width, layout.height, rate, 1 / rate, live=self._arrival)

    def _rate(self) -> Fraction:
        """Of the fastest source that is open."""
        rates = [cell.info.rate for cell in self.cells if cell.info is not None and cell.info.rate]
        return max(rates, default=USUAL_RATE)

    def _steps(self) -> Iterator[Fraction]:
        """Times of the grid at which it shows something new, by the sources' own time."""
        now = Fraction(0)
        while True:
            with self._changed:
                self._now = now
                self._wait_for_all(now)
                news = any(cell.news for cell in self.cells)
                done = all(cell.done for cell in self.cells)
            if news:
                yield now
            if done:
                return
            now += 1 / self._rate()

    def _wait_for_all(self, now: Fraction) -> None:
        """Until it is certain what every cell shows now, but not for one that gives nothing while others could go on.

        With ``_changed`` held.
        """
        since = self._control.clock_ns()
        while True:
            for cell in self.cells:
                cell.advance(now)
                cell.keeps_step = cell.keeps_step or cell.leads
            missing = [cell for cell in self.cells if cell.keeps_step and not cell.knows(now)]
            going = any(cell.leads or cell.news for cell in self.cells) or all(cell.done for cell in self.cells)
            if going and not missing:
                return
            if not any(cell.leads for cell in self.cells):
                since = self._control.clock_ns()  # nobody waits
            elif self._control.clock_ns() - since > _PATIENCE_NS:
                for cell in missing:
                    cell.keeps_step = False
                return
            self._changed.wait(_WAKE_S)

    def _arrivals(self) -> Iterator[Fraction]:
        """Times of the grid at which it shows something new, by arrival."""
        start: int | None = None
        while True:
            with self._changed:
                self._changed.wait_for(self._is_news, _WAKE_S)
                over = all(cell.done for cell in self.cells)
                news = self._is_news() or (self._count > 0 and not over and self._said() != self._words)
            if news:
                now = self._control.clock_ns()
                start = now if start is None else start
                yield Fraction((now - start) // 1_000_000, 1000)
                due = now + int(0.95e9 / self._rate())  # a little early, that a source's jitter costs no picture
                time.sleep(min(max(0, due - self._control.clock_ns()) / 1e9, _LONGEST_PAUSE_S))
            elif over:
                return

    def _is_news(self) -> bool:
        return any(cell.news for cell in self.cells)

    # -- a picture --------------------------------------------------------------------------------------------------

    def _write(self, painter: GridPainter, info: SourceInfo, pts: Fraction) -> None:
        with self._changed:
            self._words = self._said()
            shown = [
                GridCell(cell.source, cell.shown, word) for cell, word in zip(self.cells, self._words, strict=True)
            ]
            for cell in self.cells:
                cell.painted()
        with timed(_COMPOSE) as watch:
            picture = painter.paint(shown)
        assert watch.span is not None
        self.meters.add(watch.span)
        self._control.wait_while_paused()
        frame = Frame(picture, self._count, pts, time.monotonic_ns(), info)
        result = Result(frame, Prediction(), Timings(frame.arrival), _as_it_is)
        for stage, output in self.outputs.items():
            with timed(stage) as watch:
                output.write(result)
            assert watch.span is not None
            self.meters.add(watch.span)
        now_ns = time.monotonic_ns()
        with self._changed:
            self._count += 1
            for cell in self.cells:
                cell.written(now_ns)

    def _said(self) -> list[str]:
        """What stands over each cell that does not show its source as it is now; with ``_changed`` held."""
        return [self._state_text(cell, state) for cell, state in zip(self.cells, self._states(), strict=True)]

    def _state_text(self, cell: Cell, state: SourceState) -> str:
        if not self._arrival and cell.shown is not None and not (cell.done and cell.until <= self._now):
            return ""  # what its source gave before is still being shown
        if state.state is LiveState.LIVE:
            return str(LiveState.CONNECTING) if cell.shown is None else self._silence_text(cell)
        age = f", {_age_s(cell)} s old" if self._arrival and cell.shown is not None else ""
        return f"{state.state}{age}"

    def _silence_text(self, cell: Cell) -> str:
        """Of a source that is there, but gives nothing."""
        old = self._arrival and not cell.over and time.monotonic_ns() - cell.shown_ns > _OLD_NS
        return f"no picture for {_age_s(cell)} s" if old else ""


def _typical(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The largest of the shape that most have; of equals the one that came first."""
    shapes = Counter(Fraction(*size) for size in sizes)
    ((shape, _),) = shapes.most_common(1)
    return max(size for size in sizes if Fraction(*size) == shape)


def _age_s(cell: Cell) -> int:
    """Seconds since the cell's picture came."""
    return (time.monotonic_ns() - cell.shown_ns) // 1_000_000_000


def _stage(output: Output) -> str:
    """What the figures call an output's work."""
    return "encode" if isinstance(output, Mp4Output | SegmentedMp4Output) else output.name


def _as_it_is(result: Result) -> Picture:
    return result.frame.picture
