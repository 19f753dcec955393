"""Run: one source through engines and drawing into outputs; threads, order, errors, end.

    reader ─frames─▶ prepare ─inflight─▶ heads ─results─▶ draw ─▶ one stage per output, and the caller

Queues are bounded. Recorded sources wait; live ones drop the oldest frame before anything was spent on it. Order
is kept by tickets. The first error wins: everybody before it stops, everybody behind it works off what is there,
every output is closed with the error, every thread is joined, and the caller gets the error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import RoadStreamError
from contracts.frame import Frame
from contracts.picture import Picture
from contracts.protocols import Output, Source
from contracts.result import Result
from pipeline.closing import Closing
from pipeline.figures import Figures
from pipeline.gating import Gate
from pipeline.ignoring import Ignoring
from pipeline.looking import InFlight, Looking
from pipeline.measure import timed
from pipeline.queues import BoundedQueue
from pipeline.reading import Reading
from pipeline.regions import Regions
from pipeline.session import INFERENCE_TIMEOUT_S, Session
from pipeline.stage import Stage
from pipeline.steadfast import Steadfast
from pipeline.tracking import Tracking
from pipeline.turns import Turns

_FRAMES_WAITING = 3  # decoded pictures between reader and prepare; of a live source the newest alone
_RESULTS_WAITING = 3  # results between stages behind the network
_HUNG_S = INFERENCE_TIMEOUT_S + 30  # no stage finished anything for so long: every wait inside one is shorter
_HUNG_FINISHING_S = 900.0  # the same when only outputs are left: finishing a day's recording copies it once
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the runs of several sources share. turns: where the caller takes results. failed: hears of a first error."""

    turns: Turns[Result]
    failed: Callable[[BaseException], None]


class Run:
    """Owns the threads of one source's run. Iterate ``results()``, or ``work()`` and let the caller take turns.

    Always ``close()``.
    """

    def __init__(
        self,
        config: RunConfig,
        source: Source,
        sessions: Sequence[Session],
        outputs: Sequence[Output],
        *,
        paint: Callable[[Result], Picture],
        figures: Figures,
        tracking: Tracking | None = None,
        control: Control | None = None,
        ignoring: Ignoring | None = None,
        regions: Regions | None = None,
        gate: Gate | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        """sharing: with the other runs where there are several sources."""
        self._source = source
        self._sessions, self._outputs = tuple(sessions), tuple(outputs)
        self.figures = figures
        self.live = source.info.live or config.live
        self._looking = Looking(
            config,
            self._sessions,
            figures,
            live=self.live,
            paint=paint,
            tracking=tracking,
            ignoring=ignoring,
            regions=regions,
        )
        self._control = control or Control()
        self._stop = self._control.stopping
        self._started = False
        self._left = threading.Event()  # the caller takes no more results
        self._error: BaseException | None = None
        self._error_lock = threading.Lock()
        self._frames: BoundedQueue[Frame] = self._frame_queue()
        self._failed = sharing.failed if sharing is not None else lambda _: None
        self._caller: BoundedQueue[Result] = BoundedQueue(
            _RESULTS_WAITING, drop_oldest=self.live, changed=sharing.turns.changed if sharing is not None else None
        )
        self._stages: list[Stage[Any, Any]] = []
        self._output_stages: list[Stage[Result, None]] = []
        self._build(Reading(config, source, self._sessions, figures, self._control, gate or Gate()))
        if sharing is not None:
            sharing.turns.add(self._caller)

    def _frame_queue(self) -> BoundedQueue[Frame]:
        """Between reader and prepare. A live frame is taken when the engines have a place for it: it ages here."""
        if not self.live:
            return BoundedQueue(_FRAMES_WAITING)
        return BoundedQueue(1, drop_oldest=True, ready=lambda: self._looking.has_place(_LOOK_S))

    def _build(self, reading: Reading) -> None:
        # One inference less than the engine holds: the last one waits in the preparing thread's hand. Tickets in the
        # hand of "heads" are closed before it waits for anybody, so a slow output never holds one.
        looking = self._looking
        inflight: BoundedQueue[InFlight] = BoundedQueue(max(looking.depth - 1, 1), release=InFlight.close)
        boxes = [BoundedQueue[Result](_RESULTS_WAITING, drop_oldest=self.live) for _ in self._outputs]
        self.figures.watch(self._source, self._frames, boxes, self._caller)
        behind: list[BoundedQueue[Result]] = [*boxes, self._caller]
        stages: list[Stage[Any, Any]] = []
        if any(output.wants_drawn for output in self._outputs):
            results: BoundedQueue[Result] = BoundedQueue(_RESULTS_WAITING)
            stages.append(Stage("draw", results, looking.draw, behind, fail=self._fail))
            behind = [results]
        stages.append(Stage("heads", inflight, looking.decode, behind, fail=self._fail))
        stages.append(Stage("prepare", self._frames, looking.prepare, [inflight], fail=self._fail))
        stages.append(Stage("reader", reading.frames(), looking.admit, [self._frames], fail=self._fail))
        self._stages = stages
        for output, box in zip(self._outputs, boxes, strict=True):
            self._output_stages.append(self._output_stage(output, box))

    def _output_stage(self, output: Output, box: BoundedQueue[Result]) -> Stage[Result, None]:
        def write(result: Result) -> None:
            self._control.wait_while_paused()
            with timed(output.name) as watch:
                output.write(result)
            assert watch.span is not None
            self.figures.written(output, result, watch.span)

        def close() -> None:
            output.close(self._error)

        return Stage(output.name, box, write, (), fail=self._fail, last=close)

    # -- life -------------------------------------------------------------------------------------------------------

    def results(self) -> Iterator[Result]:
        """Start the threads and give results as they come. Raises nothing: ``close()`` tells."""
        self._start()
        yield from self._caller

    def work(self) -> None:
        """Run to the end: every output has every frame and the caller took every result, or the run stops."""
        self._start()
        for stage in (*self._output_stages, *self._stages):
            while not stage.ended.wait(_LOOK_S) and not self._left.is_set():
                pass
        while not self._caller.ended and not self._left.wait(_LOOK_S):
            pass

    def _start(self) -> None:
        self._started = True
        for stage in (*self._output_stages, *self._stages):
            stage.start()

    def stop(self) -> None:
        """Ask for an early, orderly end: no new frames, those on their way are finished. Any thread."""
        self._stop.set()
        self._left.set()
        self._caller.discard()
        self._source.close()

    def close(self) -> None:
        """End the run, join every thread, free everything; raises the first error of the run.

        Ctrl-C meanwhile waits until all is finished; a second one leaves at once.
        """
        self.stop()
        steps = Closing()
        if self._started:
            steps.step(self._join)
        for output, stage in zip(self._outputs, self._output_stages, strict=True):
            if stage.ident is None:  # its thread never ran, so nobody else closes it
                steps.step(partial(output.close, self._error))
        self.figures.finish()
        for session in self._sessions:
            steps.step(session.engine.close)
        if self._error is not None:
            raise self._error
        if steps.error is not None:
            raise steps.error

    def _join(self) -> None:
        """Wait for every thread for as long as anything moves; raises RoadStreamError naming those that hang."""
        waiting = Steadfast()
        everybody = [stage for stage in (*self._stages, *self._output_stages) if stage.ident is not None]
        while alive := [stage for stage in everybody if not stage.ended.is_set()]:
            waiting.wait(alive[0].ended, _LOOK_S)
            limit = _HUNG_S if any(stage in self._stages for stage in alive) else _HUNG_FINISHING_S
            if time.monotonic_ns() - max(stage.stirred_ns for stage in everybody) > limit * 1e9:
                names = ", ".join(stage.name for stage in alive)
                raise RoadStreamError(f"did not end: {names}", "please report this with the log of --debug")
        for stage in everybody:
            stage.join(_LOOK_S)  # past its last statement
        waiting.tell()

    def _fail(self, error: BaseException) -> None:
        with self._error_lock:
            first = self._error is None
            if first:
                self._error = error
        if first:
            self._failed(error)
        self._stop.set()
        self._source.close()
