"""What became of the pictures that a grid was given: shown how late and how old, or never shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contracts.result import Timings
from pipeline.measure import Histogram


class GridFigures:
    """Of one source. Counted by whoever holds the grid's lock; read from any thread.

    A picture is shown when every output has the first picture of the grid that it is in; its latency and age count up
    to there. Once the grid has ended every picture it was given is one of the two, shown or replaced.
    """

    def __init__(self) -> None:
        self.latency, self.age = Histogram(), Histogram()
        self.shown = 0
        self.replaced = 0
        """Pictures that were never shown: a newer one came before the grid was painted, or the grid had ended."""

    @classmethod
    def of_all(cls, parts: Iterable[GridFigures]) -> GridFigures:
        """Those of several sources as one."""
        made, several = cls(), tuple(parts)
        made.latency = Histogram.of_all(part.latency for part in several)
        made.age = Histogram.of_all(part.age for part in several)
        made.shown = sum(part.shown for part in several)
        made.replaced = sum(part.replaced for part in several)
        return made

    def add(self, timings: Timings, now_ns: int) -> None:
        """A picture was shown, at ``now_ns`` (monotonic). timings: of its frame."""
        self.shown += 1
        latency = now_ns - timings.arrival
        self.latency.add(latency)
        if timings.age_ms is not None:
            self.age.add(latency + int(timings.age_ms * 1e6))

    def counts(self) -> dict[str, Any]:
        """For the statistics."""
        return {
            "shown": self.shown,
            "replaced": self.replaced,
            "latency_ms": self.latency.percentiles(),
            "age_ms": self.age.percentiles(),
        }
