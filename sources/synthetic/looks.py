"""Looks: light, weather and colours of a drive. All colours are BGR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sources.synthetic.layout import Layout, country_road, motorway, street

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that makes city, highway, night and rain differ."""

    layout: Callable[[np.random.Generator], Layout]
    zenith: Colour
    horizon: Colour
    """Colour of the sky down there, which far things fade into."""
    haze: float
    """Metres at which 63 % of a thing's colour is haze."""
    grass: Colour
    asphalt: Colour
    clouds: float
    """0 none … 1 overcast."""
    sun: float
    """Share of the light that comes from the sun (the rest comes from the sky)."""
    light: float
    """How much daylight there is, 0 … 1."""
    skyline: bool = False
    """Tall buildings on the horizon in place of hills."""
    wet: bool = False
    """Rain falls, the road mirrors, drops on the windscreen."""

    @property
    def lamps_on(self) -> bool:
        """Whether vehicles and streets have their lights on."""
        return self.light < 0.5 or self.wet

    @property
    def night(self) -> bool:
        """Whether our headlights are what we see by."""
        return self.light < 0.5


def _night_road(rng: np.random.Generator) -> Layout:
    return (street if rng.random() < 0.5 else motorway)(rng)


LOOKS: dict[str, Look] = {
    "highway": Look(
        motorway, (196, 128, 62), (238, 222, 196), 520, (62, 128, 104), (106, 103, 101), 0.45, 0.62, 1.0
    ),
    "city": Look(
        street, (206, 150, 92), (232, 222, 206), 380, (74, 120, 96), (98, 97, 96), 0.4, 0.55, 1.0,
        skyline=True,
    ),
    "night": Look(
        _night_road, (34, 16, 8), (58, 38, 26), 420, (46, 80, 62), (92, 92, 94), 0.1, 0.0, 0.17,
        skyline=True,
    ),
    "rain": Look(
        country_road, (150, 142, 134), (190, 186, 180), 150, (66, 104, 86), (84, 80, 76), 1.0, 0.08, 0.82,
        wet=True,
    ),
}  # fmt: skip
DEFAULT_LOOK = "highway"
