"""Figures: paints vehicles and people, their shadows on the ground, their lamps and what these light up."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Pixels
from sources.synthetic.camera import SHIFT, Floats, Polygon, to_fixed
from sources.synthetic.canvas import Canvas, glow, halo
from sources.synthetic.looks import Colour, Look
from sources.synthetic.road import View
from sources.synthetic.surface import haze_share
from sources.synthetic.traffic import Actor

_PAINTS: dict[str, Colour] = {
    "glass": (74, 62, 52), "tyre": (30, 29, 28), "hub": (140, 142, 144), "dark": (42, 40, 40), "chrome": (176, 178, 180),
    "plate": (220, 226, 226), "skin": (128, 160, 206), "trousers": (72, 58, 50), "stripe": (70, 110, 214),
    "tail": (44, 36, 150), "head": (226, 230, 232),
}  # fmt: skip
_TAIL, _BRAKE, _HEAD = (70, 60, 236), (110, 96, 255), (255, 255, 255)
_HALOS = {"tail": halo((30, 26, 190), 3.0), "brake": halo((60, 50, 255), 2.4), "head": halo((215, 232, 240), 2.8)}
_WET_HALOS = {name: np.asarray(glow // 3, np.uint8) for name, glow in _HALOS.items()}
_LEAST_HEIGHT = 3.0
"""Pixels; what is smaller is not painted."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """An actor as this frame sees it."""

    actor: Actor
    corners: Floats
    """(N, 2) picture points of the mesh's corners."""
    scale: float
    """Pixels per metre at its nearest point."""
    distance: float
    clip: int
    """Row of the crest that hides what is below."""


def see(view: View, actors: list[Actor]) -> list[Figure]:
    """Projects everybody at once; leaves out whom the frame cannot show."""
    if not actors:
        return []
    s = np.concatenate([actor.s + actor.direction * actor.mesh.corners[:, 0] for actor in actors])
    side = np.concatenate([actor.side + actor.direction * actor.mesh.corners[:, 1] for actor in actors])
    up = np.concatenate([actor.mesh.corners[:, 2] for actor in actors])
    points, _ = view.project(s, side, up)
    near = np.array([actor.s - actor.mesh.length / 2 for actor in actors])
    _, scales = view.project(near, 0.0)
    clips = view.crest_at(near)
    figures, start = [], 0
    for actor, scale, clip in zip(actors, scales, clips, strict=True):
        corners = points[start : start + len(actor.mesh.corners)]
        start += len(actor.mesh.corners)
        shown = corners[:, 0].min() < view.camera.width and corners[:, 0].max() > 0 and corners[:, 1].min() < clip
        if shown and scale * actor.mesh.height >= _LEAST_HEIGHT and actor.s + actor.mesh.length / 2 - view.s > 1.5:
            figures.append(Figure(actor, corners, float(scale), actor.s - view.s, int(clip)))
    return figures


class FigurePainter:
    """Paints figures under one look."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def shadow(self, view: View, light: Pixels, figure: Figure) -> None:
        """Darkens the ground's light (half resolution, from ``view.top``) below a figure and away from the sun."""
        actor, mesh = figure.actor, figure.actor.mesh
        sun = self._look.sun
        ends = np.array([-1.0, 1.0, 1.0, -1.0]) * (mesh.length / 2 + 0.1)
        sides = np.array([-1.0, -1.0, 1.0, 1.0]) * (mesh.width / 2 + 0.06)
        if sun > 0.3:
            cast = np.array([0.0, 0.0, 1.0, 1.0]) * mesh.height * 0.75
            _shade(view, light, actor.s + ends - 0.1 * mesh.height, actor.side + sides + cast, 0.62)
        _shade(view, light, actor.s + ends, actor.side + sides, 0.34 if not self._look.wet else 0.46)

    def paint(self, canvas: Canvas, view: View, figure: Figure, owner: int) -> None:
        """The figure itself, claiming its pixels for ``owner``; then its lamps."""
        actor = figure.actor
        drawing = actor.mesh.drawings[0 if actor.direction > 0 else 1]
        a, b, c = (figure.corners[drawing.probe[:, n]] for n in range(3))
        ab, ac = b - a, c - a
        front = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 0
        high = figure.scale * actor.mesh.height
        front &= ~drawing.detail | (high > 9)
        colours = self._colours(figure, view).tolist()
        fixed = to_fixed(figure.corners)
        canvas.clip = figure.clip
        picture, ids = canvas.picture[: figure.clip], canvas.ids[: figure.clip]
        for n in np.flatnonzero(front).tolist():
            polygon = fixed[drawing.faces[n]]
            if not drawing.detail[n]:
                cv2.fillConvexPoly(ids, polygon, (owner,), cv2.LINE_8, SHIFT)
            cv2.fillConvexPoly(picture, polygon, colours[n], cv2.LINE_AA, SHIFT)

    def _colours(self, figure: Figure, view: View) -> Floats:
        """(F, 3): each face's colour under this light, at this distance."""
        actor, look = figure.actor, self._look
        drawing = actor.mesh.drawings[0 if actor.direction > 0 else 1]
        lit = actor.lit and look.lamps_on
        paints: dict[str, Colour] = {
            **_PAINTS, "body": actor.colour, "body2": actor.second, "cargo": actor.second, "cloth": actor.second,
            "tail": _BRAKE if actor.braking else _TAIL if lit else _PAINTS["tail"],
            "head": _HEAD if lit else _PAINTS["head"],
        }  # fmt: skip
        colours = np.array([paints[name] for name in drawing.paints], np.float64)
        shade = 1 + (drawing.shade - 1) * (0.45 + 0.55 * look.sun / 0.62)
        glowing = np.array([name in ("tail", "head") for name in drawing.paints]) & lit
        colours *= np.where(glowing, 1.0, shade * _light_on(figure, view, look))[:, None]
        haze = float(haze_share(np.array([figure.distance]), look)[0])
        return np.clip(colours + (np.array(look.horizon) - colours) * haze, 0, 255)

    def lamps(self, canvas: Canvas, view: View, figure: Figure) -> None:
        """Glow of the lamps that look our way and, on a wet road, their reflections."""
        actor = figure.actor
        if not (actor.lit and (self._look.lamps_on or actor.braking)) or figure.distance < 1.5:
            return
        away = actor.direction > 0
        spots = actor.mesh.tails if away else actor.mesh.heads
        name = "head" if not away else "brake" if actor.braking else "tail"
        where = actor.s + actor.direction * spots[:, 0], actor.side + actor.direction * spots[:, 1]
        points, scales = view.project(*where, spots[:, 2])
        size = {"head": 1.15, "brake": 0.8, "tail": 0.5}[name] * (1.0 if self._look.night else 0.55)
        for point, scale in zip(points, scales, strict=True):
            radius = float(scale) * size + (1.6 if self._look.night else 0.8) * canvas.camera.height / 720
            glow(canvas.picture, _HALOS[name], point, (radius, radius), figure.clip)
        if self._look.wet:
            mirrored, _ = view.project(*where, -spots[:, 2])
            for point, scale in zip(mirrored, scales, strict=True):
                glow(canvas.picture, _WET_HALOS[name], point, (float(scale) * 0.3, float(scale) * 1.1), figure.clip)


def _light_on(figure: Figure, view: View, look: Look) -> float:
    """Light on a figure: the day's, and at night what our headlights throw."""
    if not look.night:
        return 1.0 if look.sun > 0.3 else 0.86
    aside = abs(figure.actor.side - view.side)
    beam = np.exp(-figure.distance / 34) * np.exp(-((aside / (2.2 + 0.1 * figure.distance)) ** 2))
    return float(0.2 + 0.75 * beam)


def _shade(view: View, light: Pixels, s: Floats, side: Floats, share: float) -> None:
    """Fills a patch of ground in the light map with ``share`` of full light, where that darkens it."""
    points, _ = view.project(s, side)
    halved: Polygon = to_fixed((points - [0, view.top]) / 2)
    x, y, wide, high = cv2.boundingRect(halved >> SHIFT)
    x1, x2 = max(x, 0), min(x + wide + 1, light.shape[1])
    y1, y2 = max(y, 0), min(y + high + 1, light.shape[0])
    if x2 <= x1 or y2 <= y1:
        return
    region = light[y1:y2, x1:x2]
    patch = np.full(region.shape, 255, np.uint8)
    moved = halved - np.array([x1 << SHIFT, y1 << SHIFT], np.int32)
    cv2.fillConvexPoly(patch, moved, (round(255 * share),) * 3, cv2.LINE_AA, SHIFT)
    cv2.multiply(region, patch, dst=region, scale=1 / 255)
