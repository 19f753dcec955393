"""Combined: the figures of several sources as those of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from contracts.protocols import Losses, Output
from pipeline.accounts import Accounts
from pipeline.figures import Figures, Progress, in_order, own_cpu_ms
from pipeline.measure import Histogram, Meters, StageMeter


class Beside(Protocol):
    """What works for all sources, and is an output to each of them: a grid."""

    @property
    def name(self) -> str:
        """What it is called as an output."""

    @property
    def meters(self) -> Meters:
        """Of its stages."""

    @property
    def outputs(self) -> Mapping[str, Output]:
        """Its own, by their stages."""

    def counts(self) -> Mapping[str, Any]:
        """Figures of its own, of all sources."""


class Combined:
    """Counts are sums, times those of all stages alike; throughput is all frames by the time from first to last."""

    def __init__(self, parts: Sequence[Figures], engines: int, beside: Beside | None = None) -> None:
        """engines: how many networks the run has, for when no source is open."""
        self._parts, self._beside = tuple(parts), beside
        own = {} if beside is None else beside.outputs
        self._accounts = Accounts({**{stage: each for part in parts for stage, each in part.shared.items()}, **own})
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
        stages = [*drops, *(self._beside.outputs if self._beside is not None else ())]
        return {stage: drops.get(stage, 0) + self._accounts.dropped(stage) for stage in stages}

    def output_writes(self) -> dict[str, int]:
        """Results that came through each output; of those beside the sources' own, their pictures."""
        writes = _sums([part.output_writes() for part in self._parts])
        if self._beside is not None:
            counts = {stage: meter.wall.count for stage, meter in self._beside.meters.items()}
            writes |= {stage: counts.get(stage, 0) for stage in self._beside.outputs}
        return {stage: self._accounts.written(stage, count) for stage, count in writes.items()}

    def output_counts(self, stage: str) -> Mapping[str, Any]:
        """What outputs count themselves; where each source has its own, only numbers can be told of all."""
        if self._beside is not None and stage == self._beside.name:
            return self._beside.counts()
        if whole := self._accounts.counts(stage):
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
        beside = [] if self._beside is None else [self._beside.meters]
        for meters in (*(part.meters for part in self._parts), *beside):
            for stage, meter in meters.items():
                found.setdefault(stage, []).append(meter)
        return {stage: StageMeter.of_all(meters) for stage, meters in found.items()}


def _sums(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: sum(part.get(key, 0) for part in parts) for key in keys}


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """From the first beginning to the last end."""
    return max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0.0
