"""RunReport: an output that collects what the page needs, and writes it once the run is over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.protocols import Ending
from contracts.result import Result
from outputs.paths import Target, cure, reason
from outputs.report.delays import Delays
from outputs.report.facts import Facts
from outputs.report.moments import Moments
from outputs.report.outages import Outages
from outputs.report.page import page
from outputs.report.seen import Seen
from outputs.report.sight import Looker


class ReportOutput:
    """``F.html``. Draws itself only the frames whose pictures it keeps; a Chronicler (see contracts/protocols.py)."""

    name = "report"
    wants_drawn = False

    def __init__(self, path: Path, palette: str = "okabe-ito") -> None:
        """palette: as for the drawings, so that a class has one colour in pictures and charts."""
        self._target, self._palette = Target(path), palette
        self._claimed: FileIO | None = None
        self._sources: Sequence[SourceInfo] = ()
        self._looker, self._seen, self._moments, self._delays = Looker(), Seen(), Moments(), Delays()
        self._outages = Outages()

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Claims the file. Raises OutputError."""
        self._claimed = self._target.claim()
        self._sources = sources

    def write(self, result: Result) -> None:
        """Keeps what one result says."""
        frame, seconds = result.frame, float(result.frame.pts)
        if frame.outage is not None:
            self._outages.add(seconds, frame.outage)
        sight = self._looker.look(result.prediction)
        self._seen.add(sight, seconds)
        self._moments.consider(frame.index, seconds, sight, result.drawn)

    def finished(self, frame: Frame, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        """Keeps one frame's delays."""
        self._delays.add(float(frame.pts), latency_ns, age_ns, dropped, lost)

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (``conclude`` tells how the run ended)
        """Gives the file free: nothing has been written so far."""
        if self._claimed is None:
            return
        self._claimed.close()
        self._claimed = None
        with suppress(OSError):
            self._target.part.unlink()

    def conclude(self, ending: Ending) -> None:
        """Writes the page in one piece. Raises OutputError."""
        frames = ending.statistics["frames"]
        self._delays.conclude(frames["dropped"], frames["lost"])
        looker = self._looker
        chosen = self._moments.chosen()
        facts = Facts(
            ending,
            self._sources,
            self._seen,
            self._delays,
            self._outages,
            chosen,
            self._palette,
            looker.colours,
            looker.tracked,
        )
        try:
            self._target.finishing.write_text(page(facts), encoding="utf-8")
            self._target.publish(self._target.finishing)
        except OSError as fault:
            with suppress(OSError):
                self._target.finishing.unlink(missing_ok=True)
            raise OutputError(f"cannot write {self._target.path}: {reason(fault)}", cure(fault)) from fault
