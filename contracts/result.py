"""Result and Timings: what ``stream()`` yields and every output receives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.frame import Frame
from contracts.picture import Picture
from contracts.prediction import Prediction
from contracts.span import Span

Polyline = NDArray[np.float32]
"""float32 (N, 2), N ≥ 2: x, y in pixels of the frame, inside it."""
LaneLines = Mapping[str, tuple[Polyline, ...]]
"""Head with a lane mask → its lines, left to right; within a line the end nearest to the frame's bottom first."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Monotonic stamps of one frame through the stages; everything about time is computed from these.

    arrival: monotonic ns when the decoder handed the frame over. age_ms: for live sources, estimated time from
    capture to ``arrival`` (buffering in socket and decoder), else None.
    """

    arrival: int
    spans: tuple[Span, ...] = ()
    age_ms: float | None = None

    def and_span(self, span: Span) -> Timings:
        """The same with one more span."""
        return Timings(self.arrival, (*self.spans, span), self.age_ms)

    def milliseconds(self) -> dict[str, float]:
        """Wall milliseconds per stage, in the order they ran."""
        return {span.stage: span.milliseconds for span in self.spans}

    @property
    def latency_ms(self) -> float:
        """From arrival to the end of the last stage so far."""
        end = max((span.end for span in self.spans), default=self.arrival)
        return (end - self.arrival) / 1e6


@dataclass(slots=True, eq=False)
class Result:
    """One frame, what was seen in it, and how long that took. Read-only for outputs and users."""

    frame: Frame
    prediction: Prediction
    timings: Timings
    paint: Callable[[Result], Picture] = field(repr=False)
    """Makes the annotated picture; given by the run, called at most once."""
    trace: Callable[[Prediction], LaneLines] = field(default=lambda _: {}, repr=False)
    """Finds the lane lines; given by the run, called at most once. A Result made by hand has none."""
    _drawn: Picture | None = field(default=None, repr=False)
    _lanes: LaneLines | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _lanes_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def drawn(self) -> Picture:
        """The annotated picture: made on first demand, shared by save, show and web, read-only."""
        with self._lock:
            if self._drawn is None:
                self._drawn = self.paint(self)
            return self._drawn

    def lanes(self) -> LaneLines:
        """The lines that lane masks show: found on first demand, shared by everybody who asks, read-only."""
        with self._lanes_lock:
            if self._lanes is None:
                self._lanes = self.trace(self.prediction)
            return self._lanes
