"""Reading: the frames of one run, in its thread "reader": gated, paced where asked, up to the run's limits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from contracts.config import RunConfig
from contracts.control import Control
from contracts.frame import Frame
from contracts.protocols import Source
from pipeline.clock import Pacer
from pipeline.figures import Figures
from pipeline.gating import Gate
from pipeline.measure import timed
from pipeline.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the frames of a run depend on. Iterate ``frames()`` once."""

    config: RunConfig
    source: Source
    sessions: Sequence[Session]
    figures: Figures
    control: Control
    gate: Gate

    def frames(self) -> Iterator[Frame]:
        """Frames of the source until it ends, the limits of the run are reached, or it stops; the source is closed."""
        seconds = self.config.seconds
        limit = None if seconds is None else Fraction(seconds).limit_denominator(1_000_000)
        pacer = Pacer(self.control) if self._paced else None
        for count, frame in enumerate(self._gated(self._decoded()), 1):
            if limit is not None and frame.pts >= limit:
                break
            if pacer is not None:
                pacer.wait(frame.pts)
                frame = replace(frame, arrival=time.monotonic_ns())  # noqa: PLW2901  # now it has arrived
            if self.control.stopping.is_set():
                break
            yield frame
            if count == self.config.max_frames:
                break
        self.source.close()

    @property
    def _paced(self) -> bool:
        """Asked for; or a media server's viewers would see a recording as fast as it is computed. Live is by itself."""
        asked = self.config.realtime or self.config.live or self.config.push is not None
        return asked and not self.source.info.live

    def _decoded(self) -> Iterator[Frame]:
        frames = iter(self.source.frames())
        while not self.control.stopping.is_set():
            with timed("decode") as watch:
                frame = next(frames, None)
            if frame is None:
                return
            assert watch.span is not None
            self.figures.meters.add(frame.decoding or watch.span)  # of a live source the rest was waiting for it
            yield frame

    def _gated(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames, after the networks were found good on the first ones."""
        held = self.gate.passed(self.sessions, frames, self.control.stopping)
        self.figures.start()
        yield from (replace(frame, arrival=time.monotonic_ns()) for frame in held)
        held.clear()
        yield from frames
