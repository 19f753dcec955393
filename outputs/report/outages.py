"""Times without pictures of a live source, for charts and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.live import Outage
from contracts.text import clock
from outputs.report.axes import Axis
from outputs.report.parts import table
from outputs.report.shapes import bar, grid
from outputs.report.words import moment

_KEPT = 100
_ROWS = 12


@dataclass(frozen=True, slots=True)
class Gap:
    """An outage in stream time; end_s: of the first frame after it."""

    end_s: float
    outage: Outage

    @property
    def begin_s(self) -> float:
        """Of the last frame before it."""
        return max(self.end_s - float(self.outage.seconds), 0.0)


class Outages:
    """The longest outages of a run, in order; memory does not grow with it."""

    def __init__(self) -> None:
        self.kept: list[Gap] = []
        self.count = 0

    def add(self, end_s: float, outage: Outage) -> None:
        """One more; end_s: stream time of the first frame after it."""
        self.count += 1
        self.kept.append(Gap(end_s, outage))
        if len(self.kept) > _KEPT:
            self.kept.remove(min(self.kept, key=lambda gap: gap.outage.seconds))


def ground(outages: Outages, across: Axis, up: Axis | None) -> str:
    """What a chart over stream time is drawn on: its grid, and shades where there were no pictures."""
    return grid(across, up) + "".join(
        bar(across.place(gap.begin_s), across.place(gap.end_s), bottom=0, top=1, style='class="away"', tip=_told(gap))
        for gap in outages.kept
    )


def outage_table(outages: Outages) -> str:
    """When, how long, and why; "" where there was none."""
    return table(("from", "no pictures because", "for", "frames lost"), _rows(outages), words=2)


def _rows(outages: Outages) -> Iterator[tuple[str, ...]]:
    longest = sorted(outages.kept, key=lambda gap: -gap.outage.seconds)[:_ROWS]
    for gap in sorted(longest, key=lambda gap: gap.end_s):
        yield moment(gap.begin_s), gap.outage.reason, _length(gap), f"{gap.outage.lost:,}"
    if outages.count > len(longest):
        yield "…", f"and {outages.count - len(longest):,} shorter ones", "", ""


def _told(gap: Gap) -> str:
    return f"{moment(gap.begin_s)}: no pictures for {_length(gap)}: {gap.outage.reason}"


def _length(gap: Gap) -> str:
    seconds = float(gap.outage.seconds)
    return moment(seconds) if seconds < 60 else clock(seconds)
