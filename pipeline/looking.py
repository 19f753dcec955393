"""Looking: the work on a frame between its source and the outputs: prepare, networks, heads, drawing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from contracts.config import RunConfig
from contracts.frame import Frame
from contracts.picture import Picture
from contracts.prediction import Part, Prediction
from contracts.result import Result, Timings
from pipeline.clock import AgeEstimate
from pipeline.figures import Figures
from pipeline.ignoring import Ignoring
from pipeline.lanes import LaneTracer
from pipeline.measure import timed
from pipeline.outages import UntoldOutages
from pipeline.regions import Regions
from pipeline.session import INFERENCE_TIMEOUT_S, Pending, Session
from pipeline.sizing import Sizing
from pipeline.tracking import Tracking


@dataclass(frozen=True, slots=True, eq=False)
class InFlight:
    """A frame that networks look at."""

    frame: Frame
    timings: Timings
    pending: tuple[Pending, ...]
    closed: Callable[[], None]

    def close(self) -> None:
        """Give the engines' places back."""
        for pending in self.pending:
            pending.ticket.close()
        self.closed()


class Looking:
    """Each step is the work of one thread of the run, which sees frames in their order."""

    def __init__(
        self,
        config: RunConfig,
        sessions: Sequence[Session],
        figures: Figures,
        *,
        live: bool,
        paint: Callable[[Result], Picture],
        tracking: Tracking | None,
        ignoring: Ignoring | None,
        regions: Regions | None,
    ) -> None:
        self._sessions, self._figures, self._paint = tuple(sessions), figures, paint
        self._tracking, self._ignoring, self._regions = tracking, ignoring, regions
        self._trace, self._sizing, self._outages = LaneTracer(), Sizing(), UntoldOutages()
        self._age = AgeEstimate() if live else None
        self._max_age_ms = config.max_age_ms
        self._offered = 0  # frames that came as far as the networks; counts in the thread of "prepare"
        self._last = (0, Prediction())  # Frame.index and what was seen there; of the thread of "heads"
        self.depth = min((session.engine.depth for session in self._sessions), default=2)
        """How many frames the networks may have at once."""
        self._places = threading.Semaphore(self.depth)

    def has_place(self, seconds: float) -> bool:
        """Waits for it that the networks can take another frame, and keeps that place for whoever is prepared next."""
        return self._places.acquire(timeout=seconds)

    def admit(self, frame: Frame) -> Frame:
        """From the source."""
        self._figures.read += 1
        self._outages.heard(frame)
        return frame

    def prepare(self, frame: Frame) -> InFlight | None:
        """Started in the networks that look at it; None: the frame is too old to be looked at."""
        age = self._age.on_arrival_ms(frame.arrival, frame.pts, frame.connection) if self._age else None
        if age is not None:
            self._figures.backlog.add(int(age * 1e6))
            if self._max_age_ms is not None and age + (time.monotonic_ns() - frame.arrival) / 1e6 > self._max_age_ms:
                self._figures.too_old += 1
                self._places.release()
                return None
        frame = self._outages.told(frame)
        looking = [session for session in self._sessions if self._offered % session.config.every == 0]
        self._offered += 1
        with timed("prepare") as watch:
            prepared = [session.prepare(frame.picture) for session in looking]
        assert watch.span is not None
        self._figures.meters.add(watch.span)
        with ExitStack() as undo:  # when a later engine refuses, the earlier ones get their places back
            pending: list[Pending] = []
            for session, tensors in zip(looking, prepared, strict=True):
                pending.append(session.submit(tensors))
                undo.callback(pending[-1].ticket.close)
            undo.pop_all()
        return InFlight(frame, Timings(frame.arrival, (watch.span,), age), tuple(pending), self._places.release)

    def decode(self, item: InFlight) -> Result:
        """What was seen in it, once the networks are through."""
        seen: dict[str, Part] = {}
        timings = item.timings
        with closing(item):
            with timed("infer") as waiting:
                outputs = [pending.ticket.result(INFERENCE_TIMEOUT_S) for pending in item.pending]
            with timed("heads") as decoding:
                for pending, tensors in zip(item.pending, outputs, strict=True):
                    parts = pending.session.decode(tensors, pending.fit, item.frame)
                    if self._ignoring is not None:
                        parts = self._ignoring.without_ignored(parts, item.frame)
                    parts = self._sizing.sized(parts, item.frame)
                    if self._tracking is not None:
                        parts = self._tracking.follow(parts, item.frame, pending.session.config.every)
                    seen.update(parts)
                    self._figures.looked[self._sessions.index(pending.session)] += 1
                before, last = self._last
                prediction = last.followed_by(seen, item.frame.index - before)
                if self._regions is not None:
                    prediction = self._regions.counted(prediction, item.frame)
        assert waiting.span is not None
        assert decoding.span is not None
        # From submission to the answer, not just the wait for it: frames overlap.
        infer = replace(waiting.span, start=timings.spans[-1].end)
        for span in (infer, decoding.span):
            self._figures.meters.add(span)
            timings = timings.and_span(span)
        self._last = (item.frame.index, prediction)
        result = Result(item.frame, prediction, timings, self._paint, self._trace)
        self._figures.ready(result)
        return result

    def draw(self, result: Result) -> Result:
        """The same with its annotated picture made."""
        with timed("draw") as watch:
            result.drawn()
        assert watch.span is not None
        self._figures.meters.add(watch.span)
        result.timings = result.timings.and_span(watch.span)
        return result
