"""Facts: all that the page is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.frame import SourceInfo
from contracts.protocols import Ending
from outputs.draw.colours import PALETTES, Palette, class_colour
from outputs.report.axes import Axis, time_axis
from outputs.report.delays import Delays
from outputs.report.moments import Moment
from outputs.report.outages import Outages, ground
from outputs.report.seen import Seen
from outputs.report.sight import Named


@dataclass(frozen=True, slots=True)
class Facts:
    """One run.

    palette: name of the drawings' colours; map_colours: RGB of class maps' classes; tracked: whether boxes had tracks.
    """

    ending: Ending
    sources: Sequence[SourceInfo]
    seen: Seen
    delays: Delays
    outages: Outages
    moments: Sequence[Moment]
    palette: str
    map_colours: Mapping[Named, tuple[int, int, int]]
    tracked: bool

    @property
    def seconds(self) -> float:
        """Length in stream time, the last frame's own time included where its source has a rate."""
        rate = self.sources[0].rate if self.sources else None
        return self.seen.last_s + (1 / float(rate) if rate and self.seen.frames else 0.0)

    @property
    def across(self) -> Axis:
        """The axis of stream time that all charts share."""
        return time_axis(self.seconds)

    def ground(self, up: Axis | None = None) -> str:
        """What every chart over stream time is drawn on (SVG)."""
        return ground(self.outages, self.across, up)

    @property
    def colours(self) -> Palette:
        """Those of the drawings."""
        return PALETTES[self.palette]

    def class_colour(self, name: str) -> str:
        """A class's colour in the drawings, as CSS."""
        return css(class_colour(name, self.colours))


def css(colour: tuple[int, int, int]) -> str:
    """An RGB colour as CSS."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
