"""Figures: paints vehicles and people, their shadows on the ground, their lamps and what these light up."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.synthetic.camera import SHIFT, Floats, to_fixed
from sources.synthetic.canvas import Canvas, glow, halo
from sources.synthetic.looks import Colour, Look
from sources.synthetic.mesh import Drawing, Mesh
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
_HALO_METRES = {"head": 1.15, "brake": 0.8, "tail": 0.5}
_LEAST_HEIGHT, _LEAST_DETAILED = 3.0, 11.0
"""Pixels of height below which a figure is not painted; below which it has no details."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """An actor as this frame sees it; all points are (n, 2) in the picture."""

    actor: Actor
    corners: Floats
    """The mesh's corners."""
    cast: Floats
    """The shadow the sun throws, a quadrilateral."""
    contact: Floats
    """The shadow below, a quadrilateral."""
    lamps: Floats
    """The lamps that look our way."""
    mirrored: Floats
    """Their reflections in the road."""
    scale: float
    """Pixels per metre at its near end."""
    distance: float
    """Metres ahead of the camera."""
    aside: float
    """Metres right of the camera."""
    clip: int
    """Row of the crest that hides what is below."""

    @property
    def drawing(self) -> Drawing:
        """Its faces, for the side it shows us."""
        return self.actor.mesh.drawings[0 if self.actor.direction > 0 else 1]

    @property
    def window(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 around all pixels its faces may touch; may reach beyond the frame."""
        low, high = np.floor(self.corners.min(axis=0)) - 2, np.ceil(self.corners.max(axis=0)) + 3
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


class FigurePainter:
    """Projects and paints figures under one look."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._points: dict[tuple[int, int], Floats] = {}
        self._coloured: dict[tuple[object, ...], tuple[Floats, NDArray[np.bool_]]] = {}

    def see(self, view: View, actors: list[Actor]) -> list[Figure]:
        """Projects everybody at once, in the given order; leaves out whom the frame cannot show."""
        actors = [actor for actor in actors if actor.s + actor.mesh.length / 2 > view.s + 1.5]
        if not actors:
            return []
        around = [self._around(actor) for actor in actors]
        everything = np.concatenate([points + (actor.s, actor.side, 0) for points, actor in zip(around, actors, strict=True)])
        projected, _ = view.project(everything[:, 0], everything[:, 1], everything[:, 2])
        near = np.array([actor.s - actor.mesh.length / 2 for actor in actors])
        scales, clips = view.project(near, 0.0)[1], view.crest_at(near)
        ends = np.cumsum([len(points) for points in around])
        figures = []
        for n, points in enumerate(np.split(projected, ends[:-1])):
            figure = _figure(view, actors[n], points, float(scales[n]), int(clips[n]))
            if figure is not None:
                figures.append(figure)
        return figures

    def _around(self, actor: Actor) -> Floats:
        """Everything of an actor that must be projected, (n, 3) in metres around its place, in ``_figure``'s order."""
        key = id(actor.mesh), actor.direction
        if key not in self._points:
            mesh = actor.mesh
            lamps = (mesh.tails if actor.direction > 0 else mesh.heads) * (actor.direction, actor.direction, 1)
            turned = mesh.corners * (actor.direction, actor.direction, 1)
            cast, contact = _shadow(mesh, self._look.sun)
            self._points[key] = np.concatenate([turned, cast, contact, lamps, lamps * (1, 1, -1)])
        return self._points[key]

    def shadows(self, view: View, light: Pixels, figures: list[Figure]) -> None:
        """Darkens the ground's light (half resolution, from ``view.top``) away from the sun and below everybody."""
        offset = np.array([0, view.top])
        if self._look.sun > 0.3:
            for figure in figures:
                cv2.fillConvexPoly(light, to_fixed((figure.cast - offset) / 2), (84, 79, 76), cv2.LINE_AA, SHIFT)
        below = (9, 9, 9) if self._look.night else (58, 56, 55) if self._look.wet else (44, 42, 40)
        for figure in figures:
            cv2.fillConvexPoly(light, to_fixed((figure.contact - offset) / 2), below, cv2.LINE_AA, SHIFT)

    def paint(self, canvas: Canvas, figure: Figure, owner: int) -> None:
        """The figure itself, claiming its pixels for ``owner``."""
        drawing = figure.drawing
        a, b, c = figure.corners[drawing.probe.T]
        ab, ac = b - a, c - a
        front = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 0
        if figure.scale * figure.actor.mesh.height < _LEAST_DETAILED:
            front &= ~drawing.detail
        colours = self._colours(figure).tolist()
        fixed = to_fixed(figure.corners)
        picture, ids = canvas.picture[: figure.clip], canvas.ids[: figure.clip]
        for n in np.flatnonzero(front).tolist():
            polygon = fixed[drawing.faces[n]]
            if not drawing.detail[n]:
                cv2.fillConvexPoly(ids, polygon, (owner,), cv2.LINE_8, SHIFT)
            cv2.fillConvexPoly(picture, polygon, colours[n], cv2.LINE_AA, SHIFT)

    def _colours(self, figure: Figure) -> Floats:
        """(F, 3): each face's colour under this light, at this distance."""
        actor, look = figure.actor, self._look
        key = id(actor.mesh), actor.direction, actor.colour, actor.second, actor.braking, actor.lit
        if key not in self._coloured:
            self._coloured[key] = _face_colours(figure, look)
        colours, glowing = self._coloured[key]
        lit = colours * np.where(glowing, 1.0, _light_on(figure, look))[:, None]
        haze = float(haze_share(np.array([figure.distance]), look)[0])
        return np.clip(lit + (np.array(look.horizon) - lit) * haze, 0, 255)

    def lamps(self, canvas: Canvas, figure: Figure) -> None:
        """Glow of the lamps that look our way and, on a wet road, their reflections."""
        actor, look = figure.actor, self._look
        if not (actor.lit and (look.lamps_on or (actor.braking and actor.direction > 0))) or figure.distance < 1.5:
            return
        name = "head" if actor.direction < 0 else "brake" if actor.braking else "tail"
        unit = canvas.camera.height / 720
        radius = figure.scale * _HALO_METRES[name] * (1.0 if look.night else 0.55) + (2.2 if look.night else 0.8) * unit
        for point in figure.lamps:
            glow(canvas.picture, _HALOS[name], point, (radius, radius), figure.clip)
        for point in figure.mirrored if look.wet else ():
            glow(canvas.picture, _WET_HALOS[name], point, (figure.scale * 0.3, figure.scale * 1.1), figure.clip)


def _figure(view: View, actor: Actor, points: Floats, scale: float, clip: int) -> Figure | None:
    """One actor's projected points taken apart; None where the frame does not show it."""
    mesh = actor.mesh
    lamps = len(mesh.tails)
    corners, cast, contact, lights, mirrored = np.split(points, np.cumsum([len(mesh.corners), 4, 4, lamps]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    if low[0] >= view.camera.width or high[0] <= 0 or low[1] >= clip or scale * mesh.height < _LEAST_HEIGHT:
        return None
    return Figure(actor, corners, cast, contact, lights, mirrored, scale, actor.s - view.s, actor.side - view.side, clip)


def _shadow(mesh: Mesh, sun: float) -> tuple[Floats, Floats]:
    """Two quadrilaterals (4, 3) on the ground: the sun's shadow, thrown to the right, and the one below."""
    ends = np.array([-1.0, 1.0, 1.0, -1.0]) * (mesh.length / 2 + 0.1)
    sides = np.array([-1.0, -1.0, 1.0, 1.0]) * (mesh.width / 2 + 0.06)
    thrown = np.array([0.0, 0.0, 1.0, 1.0]) * mesh.height * 0.75 * (sun > 0.3)
    level = np.zeros(4)
    return np.stack([ends - 0.1 * mesh.height, sides + thrown, level], 1), np.stack([ends, sides, level], 1)


def _face_colours(figure: Figure, look: Look) -> tuple[Floats, NDArray[np.bool_]]:
    """(F, 3) colours of an actor's faces in full light, and which faces glow by themselves."""
    actor, drawing = figure.actor, figure.drawing
    lit = actor.lit and look.lamps_on
    paints: dict[str, Colour] = {
        **_PAINTS, "body": actor.colour, "body2": actor.second, "cargo": actor.second, "cloth": actor.second,
        "tail": _BRAKE if actor.braking else _TAIL if lit else _PAINTS["tail"],
        "head": _HEAD if lit else _PAINTS["head"],
    }  # fmt: skip
    glowing = np.array([lit and name in ("tail", "head") for name in drawing.paints])
    shade = 1 + (drawing.shade - 1) * (0.45 + 0.55 * look.sun / 0.62)
    colours = np.array([paints[name] for name in drawing.paints], np.float64)
    return colours * np.where(glowing, 1.0, shade)[:, None], glowing


def _light_on(figure: Figure, look: Look) -> float:
    """Light on a figure: the day's, and at night what our headlights throw."""
    if not look.night:
        return 1.0 if look.sun > 0.3 else 0.86
    beam = np.exp(-figure.distance / 34) * np.exp(-((figure.aside / (2.2 + 0.1 * figure.distance)) ** 2))
    return float(0.2 + 0.75 * beam)
