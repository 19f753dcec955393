"""Member: one of several channels, and what can be told of it whether its source ever opened or not."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import SourceError
from contracts.live import HasStatus, LiveState
from contracts.secrets import without_login
from pipeline.channel import Channel
from pipeline.grid_cells import Cell
from pipeline.source_state import SourceState
from pipeline.stats import FRAMES, source_facts


@dataclass(slots=True, eq=False)
class Member:
    """A channel among others.

    cell: in the grid, where there is one. failure: why its source ended it. whole: it went to its end. ended: its
    thread is through with it.
    """

    name: str
    channel: Channel
    cell: Cell | None
    failure: SourceError | None = None
    whole: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def state(self) -> SourceState:
        """Where its source is."""
        run, source = self.channel.run, self.channel.source
        info = source.info if source is not None else None
        progress = run.figures.progress() if run is not None else None
        if self.failure is not None:
            return SourceState(self.name, LiveState.LOST, self.failure.message, info, progress)
        if self.ended.is_set():
            return SourceState(self.name, LiveState.ENDED, "", info, progress)
        if source is None:
            return SourceState(self.name, LiveState.CONNECTING)
        if isinstance(source, HasStatus):
            return SourceState(self.name, source.status.state, source.status.reason, info, progress)
        return SourceState(self.name, LiveState.LIVE, "", info, progress)

    def facts(self) -> dict[str, Any]:
        """Its entry in the statistics; ``error`` where it failed, ``regions`` where there are some.

        ``outputs``: what those of its outputs say that have figures of their own.
        """
        run, source = self.channel.run, self.channel.source
        if run is None or source is None:
            frames = dict.fromkeys(FRAMES, 0)
            size = dict.fromkeys(("width", "height", "live"))
            found = {"id": self.name, "uri": without_login(self.channel.uri), **size, "frames": frames}
        else:
            found = source_facts(source.info, run.figures, live=run.live)
            counts = {stage: dict(run.figures.output_counts(stage)) for stage in run.figures.writes}
            found |= {"outputs": own} if (own := {stage: each for stage, each in counts.items() if each}) else {}
        if self.channel.regions is not None:
            found["regions"] = self.channel.regions.summary()
        return found if self.failure is None else {**found, "error": self.failure.message}
