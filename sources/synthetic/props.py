"""Props: things that stand still beside the road, as flat quadrilaterals in road coordinates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.synthetic.camera import Floats, Polygon, to_fixed
from sources.synthetic.canvas import SCENERY, Canvas, glow
from sources.synthetic.looks import Colour, Look
from sources.synthetic.road import View
from sources.synthetic.surface import haze_share

Item = tuple[float, Callable[[], None]]
"""Distance along the road (m) that decides the order of painting, and what paints it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Quadrilaterals of one colour: (n, 4, 3) in metres (along the road from the prop's place, side, up)."""

    quads: Floats
    colour: Colour
    claims: bool = True
    """Whether it covers new pixels; False for what lies on the layer before."""
    detail: float = 0.0
    """Metres: left out where this much is less than two pixels."""
    shines: bool = False
    """Gives light: neither day nor night changes its colour."""
    mirrors: float = 0.0
    """How much of our headlights it throws back."""


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """A thing of several layers. length: metres it reaches along the road from its place."""

    layers: tuple[Layer, ...]
    length: float
    halo: tuple[float, float, float] | None = None
    """Where it glows at night."""


def rectangle(s: tuple[float, float], side: tuple[float, float], up: tuple[float, float]) -> Floats:
    """A quadrilateral (1, 4, 3) between two lengthwise places, sides and heights."""
    return np.array([[(s[0], side[0], up[0]), (s[1], side[1], up[0]), (s[1], side[1], up[1]), (s[0], side[0], up[1])]])


def beam(side: tuple[float, float], up: tuple[float, float], thick: float) -> Floats:
    """A straight bar (1, 4, 3) across the road's direction from (side, up) to (side, up), ``thick`` metres."""
    along = np.array([side[1] - side[0], up[1] - up[0]])
    aside = np.array([-along[1], along[0]]) / np.hypot(*along) * thick / 2
    ends = [(side[0], up[0]), (side[1], up[1])]
    corners = [np.add(ends[n], sign * aside) for n, sign in ((0, -1), (1, -1), (1, 1), (0, 1))]
    return np.array([[(0.0, *corner) for corner in corners]])


class PropPainter:
    """Paints props under one look."""

    def __init__(self, look: Look, halo: Pixels) -> None:
        self._look, self._halo = look, halo

    def items(self, canvas: Canvas, view: View, places: Sequence[tuple[float, Prop]]) -> Iterator[Item]:
        """Painters of the props at their places (m along the road); all corners are projected at once."""
        if not places:
            return
        near = np.array([place for place, _ in places])
        far = near + np.array([prop.length for _, prop in places])
        layers = [(n, place, layer) for n, (place, prop) in enumerate(places) for layer in prop.layers]
        sizes = [len(layer.quads) for _, _, layer in layers]
        corners = np.concatenate([layer.quads for _, _, layer in layers])
        corners[..., 0] += np.repeat([place for _, place, _ in layers], sizes)[:, None]
        points, _ = view.project(corners[..., 0], corners[..., 1], corners[..., 2])
        polygons, starts = to_fixed(points), np.cumsum([0, *sizes])
        clips, scales = view.crest_at(far), view.project(near, 0.0)[1].tolist()
        inside = _inside(points, canvas, np.repeat(clips[[n for n, _, _ in layers]], sizes))
        colours, halos = self._colours(view, near, places), self._halos(view, places)
        painted: list[list[tuple[Layer, list[Polygon], Colour]]] = [[] for _ in places]
        for k, (n, _, layer) in enumerate(layers):
            part = slice(starts[k], starts[k + 1])
            if (scales[n] * layer.detail >= 2 or not layer.detail) and inside[part].any():
                painted[n].append((layer, list(polygons[part][inside[part]]), colours[k]))
        for n, steps in enumerate(painted):
            if steps:
                yield float(far[n]), self._painter(canvas, steps, halos.get(n), int(clips[n]))

    def _painter(
        self,
        canvas: Canvas,
        steps: list[tuple[Layer, list[Polygon], Colour]],
        shining: tuple[Floats, float] | None,
        clip: int,
    ) -> Callable[[], None]:
        def paint() -> None:
            canvas.clip = clip
            for layer, polygons, colour in steps:
                canvas.fill(polygons, colour, SCENERY if layer.claims else None)
            if shining is not None:
                glow(canvas.picture, self._halo, shining[0], (shining[1], shining[1]), clip)

        return paint

    def _halos(self, view: View, places: Sequence[tuple[float, Prop]]) -> dict[int, tuple[Floats, float]]:
        """At night: number of a prop → centre and radius of its glow in pixels."""
        shining = [(n, place, prop.halo) for n, (place, prop) in enumerate(places) if prop.halo is not None]
        if not shining or not self._look.night:
            return {}
        spots = np.array([(place + halo[0], halo[1], halo[2]) for _, place, halo in shining])
        points, scales = view.project(spots[:, 0], spots[:, 1], spots[:, 2])
        return {n: (points[k], max(float(scales[k]) * 2.4, 5.0)) for k, (n, _, _) in enumerate(shining)}

    def _colours(self, view: View, near: Floats, places: Sequence[tuple[float, Prop]]) -> list[Colour]:
        """One colour per layer: under the look's light, our headlights, and faded by haze."""
        layers = [layer for _, prop in places for layer in prop.layers]
        distance = np.repeat(np.maximum(near - view.s, 0), [len(prop.layers) for _, prop in places])
        light = np.full(len(layers), 0.27 if self._look.night else self._look.light)
        if self._look.night:
            light += np.array([layer.mirrors for layer in layers]) * np.exp(-distance / 32)
        light[[layer.shines for layer in layers]] = 1.0
        colours = np.array([layer.colour for layer in layers], np.float64) * light[:, None]
        haze = haze_share(distance, self._look)[:, None]
        return list(map(tuple, np.clip(colours * (1 - haze) + np.array(self._look.horizon) * haze, 0, 255).tolist()))


def _inside(points: Floats, canvas: Canvas, clips: Floats) -> NDArray[np.bool_]:
    """Which quadrilaterals (n, 4, 2) may touch the frame above their clip rows (n,)."""
    low, high = points.min(axis=1), points.max(axis=1)
    return np.asarray((low[:, 0] < canvas.camera.width) & (high[:, 0] > 0) & (low[:, 1] < clips) & (high[:, 1] > 0))
