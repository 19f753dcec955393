"""Houses: terraces along a street, each a front with windows, a shop below, and a gable end."""

from __future__ import annotations

import numpy as np

from sources.synthetic.camera import Floats
from sources.synthetic.looks import Colour, Look
from sources.synthetic.props import Layer, Prop, rectangle

PITCH = 19.0
"""Metres of street per house; some are shorter and leave a gap."""
_STOREY, _BAY, _DEPTH = 3.1, 2.7, 14.0
"""Metres."""
_WALLS: tuple[Colour, ...] = (
    (150, 172, 190), (120, 140, 168), (176, 186, 192), (96, 112, 148), (142, 158, 170), (84, 100, 128), (164, 168, 160),
)  # fmt: skip
_AWNINGS: tuple[Colour, ...] = ((60, 64, 170), (70, 116, 60), (150, 96, 50), (60, 150, 204), (90, 84, 84))
_LIT_WINDOW, _LIT_SHOP = (112, 190, 232), (128, 186, 216)


def make_house(rng: np.random.Generator, look: Look, wall: float) -> Prop:
    """A house whose front stands ``wall`` metres right of the road's centre."""
    length = PITCH * (1.0 if rng.random() < 0.72 else 0.7)
    storeys = 2 + int(rng.random() ** 1.5 * 7)
    top = storeys * _STOREY + 1.3
    colour = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.88, 1.1)
    front = 1.0 if wall > 0 else 0.78  # the sun stands on the left and lights what faces it
    outward = float(np.sign(wall))
    gable = rectangle((0, 0), (wall, wall + outward * _DEPTH), (0, top))
    layers = [
        Layer(gable, _colour(colour * 0.64)),
        Layer(rectangle((0, length), (wall, wall), (0, top)), _colour(colour * front)),
        *_windows(rng, look, wall, (length, storeys)),
        *_shop(rng, look, wall, length),
        Layer(_level(wall, (0, length), (top - 0.55, top)), _colour(colour * front * 0.72), False, 0.3),
    ]
    return Prop(tuple(layers), length)


def _windows(rng: np.random.Generator, look: Look, wall: float, size: tuple[float, int]) -> list[Layer]:
    """Panes above the ground floor, dark and lit ones, with pale sills."""
    length, storeys = size
    bays = max(1, int(length / _BAY))
    s, up = np.meshgrid((np.arange(bays) + 0.5) * length / bays, (np.arange(1, storeys) + 0.3) * _STOREY)
    corner = np.stack([s.ravel(), np.full(s.size, wall), up.ravel()], axis=1)[:, None]
    panes = corner + np.array([[-0.62, 0, 0], [0.62, 0, 0], [0.62, 0, 1.75], [-0.62, 0, 1.75]])
    sills = corner + np.array([[-0.75, 0, -0.16], [0.75, 0, -0.16], [0.75, 0, 0], [-0.75, 0, 0]])
    lit = rng.random(len(panes)) < (0.4 if look.night else 0.0)
    glass = (104, 86, 70) if not look.night else (60, 48, 40)
    found = [Layer(sills, (178, 182, 184), False, 0.12), Layer(panes[~lit], glass, False, 0.4)]
    return found + ([Layer(panes[lit], _LIT_WINDOW, False, 0.4, shines=True)] if lit.any() else [])


def _shop(rng: np.random.Generator, look: Look, wall: float, length: float) -> list[Layer]:
    """Shop windows between pillars, lit when the lamps are on, below an awning."""
    panes = np.concatenate([_level(wall, (a + 0.3, a + 2.9), (0.45, 2.5)) for a in np.arange(0.4, length - 3.0, 3.2)])
    glass = Layer(panes, _LIT_SHOP if look.night else (84, 74, 64), False, 0.3, shines=look.night)
    awning = _AWNINGS[int(rng.integers(len(_AWNINGS)))]
    hung = wall - float(np.sign(wall)) * 0.9
    roof = np.array([[(0.5, wall, 3.1), (length - 0.5, wall, 3.1), (length - 0.5, hung, 2.65), (0.5, hung, 2.65)]])
    return [glass, Layer(roof, awning, True, 0.25)]


def _level(wall: float, s: tuple[float, float], up: tuple[float, float]) -> Floats:
    """A rectangle flat on the front."""
    return rectangle(s, (wall, wall), up)


def _colour(values: Floats) -> Colour:
    b, g, r = np.clip(values, 0, 255)
    return int(b), int(g), int(r)
