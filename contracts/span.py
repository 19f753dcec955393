"""Span: how long one stage worked on one frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One stage's work on one frame: monotonic start and end, and the CPU time of its thread, all in ns."""

    stage: str
    start: int
    end: int
    cpu: int

    @property
    def milliseconds(self) -> float:
        """Wall time of the stage."""
        return (self.end - self.start) / 1e6
