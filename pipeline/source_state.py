"""Where one of several sources is, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.frame import SourceInfo
from contracts.live import LiveState
from pipeline.figures import Progress


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source at one moment.

    state: a recorded source is live while it is read. reason: why it is lost. info, progress: None before it is open.
    """

    name: str
    state: LiveState
    reason: str = ""
    info: SourceInfo | None = None
    progress: Progress | None = None
