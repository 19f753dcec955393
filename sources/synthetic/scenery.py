"""Scenery: what stands where beside the road; each kind of thing on its own lattice, chosen by tables of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sources.synthetic.camera import Floats
from sources.synthetic.canvas import Canvas, halo
from sources.synthetic.furniture import GANTRY_AT, make_gantry, make_lamp, make_post, make_rail
from sources.synthetic.houses import PITCH, make_house
from sources.synthetic.layout import Layout
from sources.synthetic.looks import Look
from sources.synthetic.props import Item, Prop, PropPainter
from sources.synthetic.road import View
from sources.synthetic.sprites import make_trees
from sources.synthetic.surface import haze_share

_TABLE = 251
_HOUSES = 23
"""Different houses on each side."""
_TREES, _RAIL, _LAMPS, _POSTS, _GANTRIES = 11.0, 8.0, 38.0, 50.0, 420.0
"""Metres from one to the next."""
_FAR_RAIL = 4
"""Beyond some distance this many pieces of rail are painted as one."""
_LEAST_TREE = 5.0
"""Pixels."""


class Scenery:
    """What stands beside the road of one drive."""

    def __init__(self, rng: np.random.Generator, layout: Layout, look: Look) -> None:
        self._layout, self._look = layout, look
        self._trees, self._bushes = make_trees(rng, look)
        self._table = rng.random((_TABLE, 6))
        self._houses = [[make_house(rng, look, wall) for _ in range(_HOUSES)] for wall in layout.verge if layout.built]
        self._rails = [(make_rail(side, _RAIL, 1), make_rail(side, _RAIL, _FAR_RAIL)) for side in layout.rails]
        self._lamps = [make_lamp(side, look) for side in layout.lamps]
        edges = min(strip.left for strip in layout.strips) - 0.6, max(strip.right for strip in layout.strips) + 0.3
        self._posts = [make_post(side) for side in edges if not layout.built]
        self._gantry = make_gantry(layout)
        self._painter = PropPainter(look, halo((90, 150, 205), 2.2))

    def items(self, canvas: Canvas, view: View) -> Iterator[Item]:
        """Everything in sight; the callables paint on ``canvas``."""
        yield from self._growth(canvas, view)
        yield from self._painter.items(canvas, view, list(self._places(view)))

    def pools(self, view: View) -> Iterator[tuple[Floats, tuple[float, float]]]:
        """At night: centre (picture coordinates) and radii (pixels) of the light below each street lamp."""
        for number, side in enumerate(self._layout.lamps):
            s = np.array([place for place in _lattice(view, _LAMPS, 200, 0.5 * (number % 2)) if place > view.s + 8])
            if not len(s):
                continue
            centres, scales = view.project(s, side - 3 * np.sign(side))
            ends, _ = view.project(s - 8, side)
            for n in np.flatnonzero(view.crest_at(s) >= view.camera.height):
                yield centres[n], (float(scales[n]) * 10, max(float(ends[n, 1] - centres[n, 1]), 1.5))

    def _places(self, view: View) -> Iterator[tuple[float, Prop]]:
        """Props in sight and their places (m along the road)."""
        for column, houses in enumerate(self._houses):
            for s in _lattice(view, PITCH, 200):
                yield s, houses[(round(s / PITCH) * 7 + column * 5) % _HOUSES]
        for near, far in self._rails:
            yield from _rail_places(view, near, far)
        for number, lamp in enumerate(self._lamps):
            yield from ((s, lamp) for s in _lattice(view, _LAMPS, 200, 0.5 * (number % 2)) if s > view.s + 2)
        for post in self._posts:
            yield from ((s, post) for s in _lattice(view, _POSTS, 140, 0.2) if s > view.s + 2)
        if self._layout.rails:
            yield from ((s, self._gantry) for s in _lattice(view, _GANTRIES, 250, GANTRY_AT) if s > view.s + 2)

    def _growth(self, canvas: Canvas, view: View) -> Iterator[Item]:
        """Trees and bushes on both sides; in a street only small trees at the kerb."""
        numbers = np.arange(int((view.s + 3) // _TREES) + 1, int((view.s + 210) // _TREES))
        for column, verge in enumerate(self._layout.verge):
            chance = self._table[(numbers * (column + 3)) % _TABLE]
            outward = 1 if column else -1
            if self._layout.built:
                there, side = chance[:, 0] < 0.4, np.full(len(numbers), verge - outward * 3.4)
            else:
                there, side = chance[:, 0] < 0.8, verge + outward * (2 + 26 * chance[:, 1] ** 1.6)
            s = (numbers + 0.7 * chance[:, 2]) * _TREES
            feet, scale = view.project(s, side)
            there &= (s > view.s + 3) & (np.abs(feet[:, 0] - view.camera.centre) < view.camera.width)
            haze, clips, metres = haze_share(s - view.s, self._look), view.crest_at(s), self._heights(chance)
            for n in np.flatnonzero(there & (metres * scale > _LEAST_TREE)):
                painter = self._plant(canvas, chance[n], feet[n], float(metres[n] * scale[n]), (haze[n], clips[n]))
                yield float(s[n]), painter

    def _heights(self, chance: Floats) -> Floats:
        """Metres of each tree or bush."""
        if self._layout.built:
            return 4.6 + 1.8 * chance[:, 5]
        return np.where(self._bush(chance), 1.2 + 1.2 * chance[:, 5], 5 + 6 * chance[:, 5])

    def _bush(self, chance: Floats) -> NDArray[np.bool_]:
        return np.asarray((chance[..., 3] < 0.28) & (not self._layout.built))

    def _plant(
        self, canvas: Canvas, chance: Floats, foot: Floats, height: float, air: tuple[Any, Any]
    ) -> Callable[[], None]:
        """One tree or bush of ``height`` pixels, ready to be painted. air: haze (0 … 1), row of the hiding crest."""
        leafy = self._trees[:4] if self._layout.built else self._trees
        sprites = self._bushes if self._bush(chance) else leafy
        sprite = sprites[int(chance[4] * len(sprites))]

        def paint() -> None:
            canvas.clip = int(air[1])
            sprite.paint(canvas, foot, height, float(air[0]), self._look.horizon)

        return paint


def _lattice(view: View, pitch: float, reach: float, shift: float = 0.0) -> list[float]:
    """Places (m) of a lattice from the one just behind the camera to ``reach`` metres ahead; shift in pitches."""
    first, last = int(view.s / pitch - shift), int((view.s + reach) / pitch - shift)
    return [(number + shift) * pitch for number in range(first, last + 1)]


def _rail_places(view: View, near: Prop, far: Prop) -> Iterator[tuple[float, Prop]]:
    """Pieces of a guard rail: short ones near by, where the order of painting matters, long ones further on."""
    for s in _lattice(view, _RAIL * _FAR_RAIL, 190):
        if s > view.s + 56:
            yield s, far
        else:
            yield from ((s + n * _RAIL, near) for n in range(_FAR_RAIL) if s + (n + 1) * _RAIL > view.s + 1)
