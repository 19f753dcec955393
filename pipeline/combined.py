"""Combined: the figures of several sources as those of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from contracts.protocols import Losses
from pipeline.figures import Figures, Progress, in_order, own_cpu_ms
from pipeline.measure import Histogram, Meters, StageMeter

COMPOSE = "compose"
"""The stage that puts the pictures of a grid together; all other stages beside the sources' own are outputs."""


class Beside(Protocol):
    """What works for all sources: a grid."""

    @property
    def meters(self) -> Meters:
        """Of its stages."""

    def output_counts(self, stage: str) -> Mapping[str, Any]:
        """What an output counts itself, by its stage."""

    def output_drops(self) -> dict[str, int]:
        """Pictures that outputs left out themselves."""


class Combined:
    """Counts are sums, times those of all stages alike; throughput is all frames by the time from first to last."""

    def __init__(self, parts: Sequence[Figures], engines: int, beside: Beside | None = None) -> None:
        """engines: how many networks the run has, for when no source is open."""
        self._parts, self._whole = tuple(parts), beside
        self._beside = Meters() if beside is None else beside.meters
        self.read = sum(part.read for part in parts)
        self.inferred = sum(part.inferred for part in parts)
        self.finished = sum(part.finished for part in parts)
        self.dropped = sum(part.dropped for part in parts)
        self.caller_drops = sum(part.caller_drops for part in parts)
        self.looked = [sum(part.looked[engine] for part in parts) for engine in range(engines)]
        losses = [part.losses for part in parts]
        self.losses = Losses(
            sum(one.lost for one in losses), sum(one.reconnects for one in losses), sum(one.dropped for one in losses)
        )
        self.latency = Histogram.of_all(part.latency for part in parts)
        self.backlog = Histogram.of_all(part.backlog for part in parts)
        self.age = Histogram.of_all(part.age for part in parts)
        self.seconds = _covered([part.span for part in parts if part.started])
        self.cpu_s = _covered([part.cpu_span for part in parts if part.started])

    def output_drops(self) -> dict[str, int]:
        """Results that outputs of live sources were too slow for, and those that outputs left out themselves."""
        drops = _sums([part.output_drops() for part in self._parts])
        return drops if self._whole is None else {**drops, **self._whole.output_drops()}

    def output_writes(self) -> dict[str, int]:
        """Results that came through each output; of those beside the sources' own, their pictures."""
        writes = _sums([part.output_writes() for part in self._parts])
        if self._whole is None:
            return writes
        drops, meters = self._whole.output_drops(), dict(self._beside.items())
        own = {stage: meter.wall.count - drops.get(stage, 0) for stage, meter in meters.items() if stage != COMPOSE}
        return {**writes, **own}

    def output_counts(self, stage: str) -> Mapping[str, Any]:
        """What outputs count themselves; only numbers can be told of all sources."""
        if self._whole is not None and (whole := self._whole.output_counts(stage)):
            return whole
        parts = [part.output_counts(stage) for part in self._parts]
        return _sums([{key: value for key, value in part.items() if isinstance(value, int)} for part in parts])

    def progress(self) -> Progress:
        """All of them in one."""
        present = [
            each
            for each in (part.progress() for part in self._parts)
            if each.status is None or each.status.state == "live"
        ]
        ages = [each.age_ms for each in present if each.age_ms is not None]  # a lost one's would stand for ever
        return Progress(
            read=self.read,
            finished=self.finished,
            dropped=self.dropped,
            lost=self.losses.lost,
            seconds=self.seconds,
            fps=self.finished / self.seconds if self.seconds else 0.0,
            pts=None,
            age_ms=max(ages, default=None),
        )

    def stages(self) -> dict[str, dict[str, float | None]]:
        """As those of one run."""
        return {stage: meter.summary() for stage, meter in in_order(self._meters()).items()}

    def own_cpu_ms(self) -> float:
        """As that of one run."""
        return own_cpu_ms(self._meters(), self.inferred)

    def _meters(self) -> dict[str, StageMeter]:
        found: dict[str, list[StageMeter]] = {}
        for meters in (*(part.meters for part in self._parts), self._beside):
            for stage, meter in meters.items():
                found.setdefault(stage, []).append(meter)
        return {stage: StageMeter.of_all(meters) for stage, meters in found.items()}


def _sums(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: sum(part.get(key, 0) for part in parts) for key in keys}


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """From the first beginning to the last end."""
    return max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0.0
