"""Figures: paints vehicles and people, their shadows on the ground, their lamps and what these light up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from contracts.picture import Pixels
from sources.synthetic.camera import SHIFT, Floats, Polygon, to_fixed
from sources.synthetic.canvas import Canvas, glow, halo
from sources.synthetic.looks import Colour, Look
from sources.synthetic.mesh import Drawing, Mesh
from sources.synthetic.road import View
from sources.synthetic.surface import haze_share
from sources.synthetic.traffic import Actor

_PAINTS: dict[str, Colour] = {
    "glass": (74, 62, 52), "tyre": (30, 29, 28), "hub": (140, 142, 144), "dark": (42, 40, 40),
    "chrome": (176, 178, 180), "plate": (220, 226, 226), "skin": (128, 160, 206), "trousers": (72, 58, 50),
    "stripe": (70, 110, 214), "tail": (44, 36, 150), "head": (226, 230, 232),
}  # fmt: skip
_TAIL, _BRAKE, _HEAD = (70, 60, 236), (110, 96, 255), (255, 255, 255)
_HALOS = {"tail": halo((30, 26, 190), 3.0), "brake": halo((60, 50, 255), 2.4), "head": halo((215, 232, 240), 2.8)}
_WET_HALOS = {name: np.asarray(glow // 3, np.uint8) for name, glow in _HALOS.items()}
_HALO_METRES = {"head": 1.15, "brake": 0.8, "tail": 0.5}
_LEAST_HEIGHT, _LEAST_DETAILED = 4.0, 20.0
"""Pixels of height below which a figure is not painted; below which it has no details."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """An actor as this frame sees it, ready to be painted."""

    actor: Actor
    corners: Polygon
    """The mesh's corners (n, 2), fixed point."""
    faces: list[int]
    """Numbers of the faces that look our way, in the order of painting."""
    colours: list[tuple[float, float, float]]
    """BGR of every face of the drawing under this light, at this distance."""
    window: tuple[int, int, int, int]
    """x1, y1, x2, y2 around all pixels its faces may touch; may reach beyond the frame."""
    shadows: Floats
    """(8, 2): the quadrilateral of the shadow the sun throws, then that of the shadow below."""
    lamps: Floats
    """(2, 2): the lamps that look our way."""
    mirrored: Floats
    """(2, 2): their reflections in the road."""
    scale: float
    """Pixels per metre at its near end."""
    distance: float
    """Metres ahead of the camera."""
    clip: int
    """Row of the crest that hides what is below."""


class FigurePainter:
    """Projects and paints figures under one look."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._points: dict[tuple[int, int], Floats] = {}
        self._coloured: dict[tuple[object, ...], Floats] = {}

    def see(self, view: View, actors: list[Actor]) -> list[Figure]:
        """Projects everybody at once, in the given order; leaves out whom the frame cannot show."""
        actors = [actor for actor in actors if actor.s + actor.mesh.length / 2 > view.s + 1.5]
        if not actors:
            return []
        near = np.array([actor.s - actor.mesh.length / 2 for actor in actors])
        scales, clips = view.project(near, 0.0)[1], view.crest_at(near)
        around = [self._around(actor) for actor in actors]
        sizes = [len(points) for points in around]
        places = np.repeat([(actor.s, actor.side, 0.0) for actor in actors], sizes, axis=0)
        where = np.concatenate(around) + places
        points, _ = view.project(where[:, 0], where[:, 1], where[:, 2])
        starts = np.cumsum([0, *sizes])
        splits = np.ravel(
            [(a, a + len(actor.mesh.corners)) for a, actor in zip(starts[:-1].tolist(), actors, strict=True)]
        )
        low = np.floor(np.minimum.reduceat(points, splits)[::2]) - 2
        high = np.ceil(np.maximum.reduceat(points, splits)[::2]) + 3
        heights = scales * np.array([actor.mesh.height for actor in actors])
        shown = (low[:, 0] < view.camera.width) & (high[:, 0] > 0) & (low[:, 1] < clips) & (heights >= _LEAST_HEIGHT)
        chosen = np.flatnonzero(shown).tolist()
        faces = _fronts(points, [(int(starts[n]), _drawing(actors[n]), float(heights[n])) for n in chosen])
        colours = self._colours(view, [actors[n] for n in chosen])
        fixed, windows = to_fixed(points), np.concatenate([low, high], axis=1).astype(int).tolist()
        figures = []
        for k, n in enumerate(chosen):
            a, b = int(splits[2 * n]), int(splits[2 * n + 1])
            extra = points[b : int(starts[n + 1])]
            figures.append(
                Figure(
                    actors[n], fixed[a:b], faces[k], colours[k], tuple(windows[n]), extra[:8], extra[8:10], extra[10:],
                    float(scales[n]), actors[n].s - view.s, int(clips[n]),
                )
            )  # fmt: skip
        return figures

    def _around(self, actor: Actor) -> Floats:
        """What of an actor is projected, (n, 3) in metres around its place: corners, 8 of shadows, 2 + 2 of lamps."""
        key = id(actor.mesh), actor.direction
        if key not in self._points:
            mesh, turn = actor.mesh, (actor.direction, actor.direction, 1)
            lamps = (mesh.tails if actor.direction > 0 else mesh.heads) * turn
            self._points[key] = np.concatenate(
                [mesh.corners * turn, _shadows(mesh, self._look.sun), lamps, lamps * (1, 1, -1)]
            )
        return self._points[key]

    def _colours(self, view: View, actors: list[Actor]) -> list[list[tuple[float, float, float]]]:
        """Each actor's face colours under this light, at this distance."""
        if not actors:
            return []
        look = self._look
        full = [self._in_full_light(actor) for actor in actors]
        sizes = [len(colours) for colours in full]
        ahead = np.array([actor.s - view.s for actor in actors])
        aside = np.array([actor.side - view.side for actor in actors])
        light = np.repeat(_light_on(ahead, aside, look), sizes)
        haze = np.repeat(haze_share(ahead, look), sizes)[:, None]
        table = np.concatenate(full)
        lit = table[:, :3] * np.where(table[:, 3] > 0, 1.0, light)[:, None]
        flat = np.clip(lit + (np.array(look.horizon) - lit) * haze, 0, 255).tolist()
        ends = np.cumsum([0, *sizes]).tolist()
        return [flat[a:b] for a, b in pairwise(ends)]

    def _in_full_light(self, actor: Actor) -> Floats:
        """(F, 4): BGR of an actor's faces, and 1 where a face glows by itself."""
        key = id(actor.mesh), actor.direction, actor.colour, actor.second, actor.braking, actor.lit
        if key not in self._coloured:
            self._coloured[key] = _face_colours(actor, self._look)
        return self._coloured[key]

    def shadows(self, view: View, light: Pixels, figures: list[Figure]) -> None:
        """Darkens the ground's light (half resolution, from ``view.top``) away from the sun and below everybody."""
        if not figures:
            return
        patches = to_fixed((np.array([figure.shadows for figure in figures]) - [0, view.top]) / 2)
        if self._look.sun > 0.3:
            for patch in patches[:, :4]:
                cv2.fillConvexPoly(light, patch, (84, 79, 76), cv2.LINE_AA, SHIFT)
        below = (9, 9, 9) if self._look.night else (58, 56, 55) if self._look.wet else (44, 42, 40)
        for patch in patches[:, 4:]:
            cv2.fillConvexPoly(light, patch, below, cv2.LINE_AA, SHIFT)

    def paint(self, canvas: Canvas, figure: Figure, owner: int) -> None:
        """The figure itself, claiming its pixels for ``owner``."""
        drawing, corners, colours = _drawing(figure.actor), figure.corners, figure.colours
        picture, ids = canvas.picture[: figure.clip], canvas.ids[: figure.clip]
        for n in figure.faces:
            polygon = corners[drawing.faces[n]]
            if not drawing.detail[n]:
                cv2.fillConvexPoly(ids, polygon, (owner,), cv2.LINE_8, SHIFT)
            cv2.fillConvexPoly(picture, polygon, colours[n], cv2.LINE_AA, SHIFT)

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


def _drawing(actor: Actor) -> Drawing:
    """Its faces, for the side it shows us."""
    return actor.mesh.drawings[0 if actor.direction > 0 else 1]


def _fronts(points: Floats, shown: list[tuple[int, Drawing, float]]) -> list[list[int]]:
    """Faces that look our way; per actor: number of its first point, its drawing, its height in pixels."""
    if not shown:
        return []
    a, b, c = points[np.concatenate([drawing.probe + start for start, drawing, _ in shown]).T]
    ab, ac = b - a, c - a
    front = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 0
    found, first = [], 0
    for _, drawing, height in shown:
        own = front[first : first + len(drawing.faces)]
        found.append(np.flatnonzero(own if height >= _LEAST_DETAILED else own & ~drawing.detail).tolist())
        first += len(drawing.faces)
    return found


def _shadows(mesh: Mesh, sun: float) -> Floats:
    """Two quadrilaterals (8, 3) on the ground: the shadow the sun throws to the right, and the one below."""
    ends = np.array([-1.0, 1.0, 1.0, -1.0]) * (mesh.length / 2 + 0.1)
    sides = np.array([-1.0, -1.0, 1.0, 1.0]) * (mesh.width / 2 + 0.06)
    thrown = np.array([0.0, 0.0, 1.0, 1.0]) * mesh.height * 0.75 * (sun > 0.3)
    level = np.zeros(4)
    cast = np.stack([ends - 0.1 * mesh.height, sides + thrown, level], axis=1)
    return np.concatenate([cast, np.stack([ends, sides, level], axis=1)])


def _face_colours(actor: Actor, look: Look) -> Floats:
    """(F, 4): BGR of an actor's faces in full light, and 1 where a face glows by itself."""
    drawing = _drawing(actor)
    lit = actor.lit and look.lamps_on
    paints: dict[str, Colour] = {
        **_PAINTS, "body": actor.colour, "body2": actor.second, "cargo": actor.second, "cloth": actor.second,
        "tail": _BRAKE if actor.braking else _TAIL if lit else _PAINTS["tail"],
        "head": _HEAD if lit else _PAINTS["head"],
    }  # fmt: skip
    glowing = np.array([lit and name in ("tail", "head") for name in drawing.paints])
    shade = 1 + (drawing.shade - 1) * (0.45 + 0.55 * look.sun / 0.62)
    colours = np.array([paints[name] for name in drawing.paints], np.float64)
    return np.concatenate([colours * np.where(glowing, 1.0, shade)[:, None], glowing[:, None]], axis=1)


def _light_on(ahead: Floats, aside: Floats, look: Look) -> Floats:
    """Light on things so many metres ahead and aside: the day's, and at night what our headlights throw."""
    if not look.night:
        return np.full_like(ahead, 1.0 if look.sun > 0.3 else 0.86)
    return 0.22 + 0.75 * np.exp(-np.maximum(ahead, 0) / 34) * np.exp(-((aside / (2.2 + 0.1 * np.abs(ahead))) ** 2))
