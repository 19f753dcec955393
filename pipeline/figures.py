"""Figures: everything counted and timed in one run, for the panel, the progress line, the summary and the stats."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.live import HasStatus, LiveStatus
from contracts.protocols import Chronicler, Losses, Output, Source
from contracts.result import Result
from contracts.span import Span
from outputs.draw.panel import LiveFigures, PanelFigures
from outputs.mp4 import Mp4Output
from outputs.segments import SegmentedMp4Output
from pipeline.accounts import Accounts
from pipeline.measure import Histogram, Meters, StageMeter
from pipeline.one_for_all import Part

_PANEL_EVERY_NS = 500_000_000  # a figure that changes faster cannot be read
_LATENCIES_OPEN = 256  # frames that some output still has to take; older ones were dropped by it
_STAGES = ("decode", "prepare", "infer", "heads", "draw", "encode")


class _Counting(Protocol):
    @property
    def dropped(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress line shows; ``pts`` is None before the first result, ``status`` without a live source."""

    read: int
    finished: int
    dropped: int
    lost: int
    seconds: float
    fps: float
    pts: float | None
    age_ms: float | None
    status: LiveStatus | None = None


def _stage_names(outputs: Sequence[Output], others: Collection[str]) -> dict[int, str]:
    """What the figures call each output's work, by its identity: ``encode`` for the MP4 writer, else its own name.

    Unique, and never one of the run's own stages, or of ``others``: ``name-2`` where it would be.
    """
    names: dict[int, str] = {}
    for output in outputs:
        encodes = isinstance(output, Mp4Output | SegmentedMp4Output)
        wanted = "encode" if encodes else output.name
        taken = {*names.values(), *others, *(() if encodes else _STAGES), "caller"}
        number, name = 1, wanted
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        names[id(output)] = name
    return names


class Figures:
    """Counters are written by one thread each; the rest is guarded.

    clock_ns: what throughput is counted by; one that stands while the run is paused. others: stages of the run that
    work for other sources, too.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        engines: Sequence[str],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        others: Collection[str] = (),
    ) -> None:
        self._clock_ns = clock_ns
        self.meters = Meters()
        self.latency, self.age = Histogram(), Histogram()
        self.backlog = Histogram()
        """Of live frames: how old they were on arrival, by buffers of socket and decoder."""
        self.read = self.inferred = 0
        self.too_old = 0
        """Frames of a live source that were dropped for their age."""
        self.looked = [0] * len(engines)
        """Frames each engine has looked at: fewer than ``inferred`` where it skips some."""
        self._names = _stage_names(outputs, others)
        self.writes: dict[str, int] = dict.fromkeys(self._names.values(), 0)
        self.shared = {self._names[id(each)]: each.whole for each in outputs if isinstance(each, Part)}
        """Outputs that write what other sources give as well: what they count themselves is not this source's."""
        self._accounts = Accounts({self._names[id(each)]: each for each in outputs})
        self._chroniclers = [output for output in outputs if isinstance(output, Chronicler)]
        self._source: Source | None = None
        self._caller: _Counting | None = None
        self.seconds = self.cpu_s = 0.0
        self._engines = tuple(engines)
        self._input: _Counting | None = None
        self._boxes: Sequence[_Counting] = ()
        self._open: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()
        self._started, self._started_cpu = clock_ns(), time.process_time()
        self.started = False
        """Whether a first frame was let in."""
        self._last_pts: float | None = None
        self._last_age_ms: float | None = None
        self._panel: PanelFigures | None = None
        self._panel_at = (self._started, 0)

    # -- filled in by the run ---------------------------------------------------------------------------------------

    def watch(self, source: Source, frames: _Counting, boxes: Sequence[_Counting], caller: _Counting) -> None:
        """The source whose losses count, and the queues whose drops: before networks, outputs and the caller."""
        self._source, self._input, self._boxes, self._caller = source, frames, boxes, caller

    def start(self) -> None:
        """Throughput and CPU time count from here: networks are loaded and checked, the first frame is let in."""
        self._started, self._started_cpu = self._clock_ns(), time.process_time()
        self._panel_at = (self._started, 0)
        self.started = True

    def finish(self) -> None:
        """Throughput and CPU time count up to here: the last frame is out and every output closed."""
        self.cpu_s = time.process_time() - self._started_cpu
        self.seconds = (self._clock_ns() - self._started) / 1e9

    @property
    def span(self) -> tuple[float, float]:
        """Seconds on the run's clock from the first frame let in up to the end, or up to now."""
        start = self._started / 1e9
        return start, start + (self.seconds or self._clock_ns() / 1e9 - start)

    @property
    def cpu_span(self) -> tuple[float, float]:
        """The same on the clock of the process's CPU time."""
        return self._started_cpu, self._started_cpu + (self.cpu_s or time.process_time() - self._started_cpu)

    def ready(self, result: Result) -> None:
        """A result left the networks; without outputs it is finished here."""
        self.inferred += 1
        self._last_pts = float(result.frame.pts)
        if not self.writes:
            self._finished(result, time.monotonic_ns())

    def written(self, output: Output, result: Result, span: Span) -> None:
        """An output has taken a result; when all have, the frame's latency is known."""
        stage = self._names[id(output)]
        self.meters[stage].add(span)
        with self._lock:
            self.writes[stage] += 1
            left = self._open.pop(result.frame.index, len(self.writes)) - 1
            if left:
                self._open[result.frame.index] = left
                while len(self._open) > _LATENCIES_OPEN:
                    self._open.popitem(last=False)
        if not left:
            self._finished(result, span.end)

    def _finished(self, result: Result, now_ns: int) -> None:
        latency = now_ns - result.timings.arrival
        age = None if result.timings.age_ms is None else latency + int(result.timings.age_ms * 1e6)
        with self._lock:
            self.latency.add(latency)
            if age is not None:
                self.age.add(age)
                self._last_age_ms = age / 1e6
        for chronicler in self._chroniclers:
            chronicler.finished(result.frame, latency, age, self.dropped, self.losses.lost)

    # -- looked at ---------------------------------------------------------------------------------------------------

    @property
    def dropped(self) -> int:
        """Frames of a live source that were dropped before the network: by the source, by the queue, for their age."""
        return sum(self.drops.values())

    @property
    def drops(self) -> dict[str, int]:
        """The same by who dropped them: the source (nobody took them in time), the queue, for their age."""
        queued = self._input.dropped if self._input is not None else 0
        return {"source": self.losses.dropped, "queue": queued, "age": self.too_old}

    @property
    def losses(self) -> Losses:
        """What the source could not give so far."""
        return self._source.losses if self._source is not None else Losses()

    @property
    def status(self) -> LiveStatus | None:
        """Where a live source is; None for sources that do not come and go."""
        return self._source.status if isinstance(self._source, HasStatus) else None

    @property
    def caller_drops(self) -> int:
        """Results of a live run that the caller's loop was too slow for."""
        return self._caller.dropped if self._caller is not None else 0

    def output_drops(self) -> dict[str, int]:
        """Results each output of a live run was too slow for, and those it left out itself."""
        boxes = {stage: box.dropped for stage, box in zip(self.writes, self._boxes, strict=True)}
        return {stage: dropped + self._accounts.dropped(stage) for stage, dropped in boxes.items()}

    def output_writes(self) -> dict[str, int]:
        """Results that came through each output."""
        return {stage: self._accounts.written(stage, count) for stage, count in self.writes.items()}

    def output_counts(self, stage: str) -> Mapping[str, Any]:
        """What an output counts itself, by its stage."""
        return self._accounts.counts(stage)

    @property
    def finished(self) -> int:
        """Frames every output has (those of the slowest)."""
        return min(self.writes.values(), default=self.inferred)

    def panel(self) -> PanelFigures | None:
        """Figures for the picture; the same object until half a second has passed. From the drawing thread only.

        Where nothing came in that time (less than two frames a second) the last figures stand: rows do not come and go.
        """
        now, (then, count) = self._clock_ns(), self._panel_at
        if now - then >= _PANEL_EVERY_NS:
            means, last_latency = (dict(self._panel.stages), self._panel.latency_ms) if self._panel else ({}, 0.0)
            recent = {stage: meter.wall.recent_ms() for stage, meter in self.meters.items()}
            means |= {stage: mean for stage, mean in recent.items() if mean is not None}
            latency = self.latency.recent_ms()
            self._panel = PanelFigures(
                fps=(self.inferred - count) / (now - then) * 1e9,
                stages=tuple((stage, means[stage]) for stage in _STAGES if stage in means),
                latency_ms=latency if latency is not None else last_latency,
                age_ms=self._last_age_ms,
                engines=self._engines,
                live=self._live_figures(),
            )
            self._panel_at = (now, self.inferred)
        return self._panel

    def _live_figures(self) -> LiveFigures | None:
        """What the panel says of a live source; its backlog since the last figures."""
        status, backlog_ms = self.status, self.backlog.recent_ms()
        return None if status is None else LiveFigures(status.state.value, status.reconnects, backlog_ms)

    def progress(self) -> Progress:
        """A snapshot, from any thread."""
        seconds = self.seconds or (self._clock_ns() - self._started) / 1e9
        return Progress(
            read=self.read,
            finished=self.finished,
            dropped=self.dropped,
            lost=self.losses.lost,
            seconds=seconds,
            fps=self.finished / seconds if seconds else 0.0,
            pts=self._last_pts,
            age_ms=self._last_age_ms,
            status=self.status,
        )

    def stages(self) -> dict[str, dict[str, float | None]]:
        """Per stage: percentiles of wall time and CPU time of its own thread, in the order frames go."""
        return {stage: meter.summary() for stage, meter in in_order(dict(self.meters.items())).items()}

    def own_cpu_ms(self) -> float:
        """CPU ms per frame that is neither decoding, nor inference, nor encoding, by the stages' own threads."""
        return own_cpu_ms(dict(self.meters.items()), self.inferred)


def in_order(meters: dict[str, StageMeter]) -> dict[str, StageMeter]:
    """Stages in the order frames go."""
    order = [stage for stage in _STAGES if stage in meters] + [stage for stage in meters if stage not in _STAGES]
    return {stage: meters[stage] for stage in order}


def own_cpu_ms(meters: dict[str, StageMeter], frames: int) -> float:
    """CPU ms per frame that is neither decoding, nor inference, nor encoding."""
    own = sum(meter.cpu_ns for stage, meter in meters.items() if stage not in ("decode", "infer", "encode"))
    return own / max(frames, 1) / 1e6
