"""Meshes: vehicles and people as a few dozen flat faces, in metres (forward, right, up) from the ground below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sources.synthetic.camera import Floats

Paint = Literal[
    "body", "body2", "glass", "tyre", "hub", "dark", "chrome", "plate", "cargo", "skin", "cloth", "trousers", "tail",
    "head", "stripe",
]  # fmt: skip
_SUN = np.array([0.25, -0.62, 0.74])
"""Direction towards the light for something that drives as we do (forward, right, up)."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The faces of a mesh in the order of drawing, for one direction of travel."""

    faces: tuple[NDArray[np.intp], ...]
    """Corner numbers of each face, turning so that a visible face has positive area on the picture (y down)."""
    probe: NDArray[np.intp]
    """(F, 3): three corners of each face, spread out, to tell front from back."""
    paints: tuple[Paint, ...]
    detail: NDArray[np.bool_]
    """Faces that lie on another one and are drawn only where large enough to be seen."""
    shade: Floats
    """(F,) light that falls on each, about 0.45 … 1.1."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """corners (N, 3) in metres; ``drawings`` for what drives as we do and for what comes towards us."""

    corners: Floats
    drawings: tuple[Drawing, Drawing]
    length: float
    width: float
    height: float
    tails: Floats
    """(2, 3): where the tail lights are; zeros where there are none."""
    heads: Floats
    """(2, 3): where the headlights are."""


class Builder:
    """Collects corners and faces; every face turns its outside away from its part's middle."""

    def __init__(self) -> None:
        self._corners: list[Floats] = []
        self._parts: list[list[tuple[Floats, Paint, bool]]] = []
        self._tails: Floats = np.zeros((2, 3))
        self._heads: Floats = np.zeros((2, 3))

    def part(self) -> None:
        """Starts a new part."""
        self._parts.append([])

    def face(self, corners: list[tuple[float, float, float]] | Floats, paint: Paint, detail: bool = False) -> None:
        """A flat polygon of the current part."""
        self._parts[-1].append((np.asarray(corners, np.float64), paint, detail))

    def box(self, size: tuple[float, float, float, float, float, float], paint: Paint, taper: float = 1.0) -> None:
        """A new part: a box (back, front, left, right, bottom, top) whose upper side is ``taper`` times as wide."""
        back, front, left, right, bottom, top = size
        middle, half = (left + right) / 2, (right - left) / 2 * taper
        low = [(back, left, bottom), (back, right, bottom), (front, right, bottom), (front, left, bottom)]
        high = [(x, middle - half if y == left else middle + half, top) for x, y, _ in low]
        self.part()
        for n in range(4):
            m = (n + 1) % 4
            self.face([low[n], low[m], high[m], high[n]], paint)
        self.face(high, paint)

    def on_side(self, box: tuple[float, float, float, float], half: float, paint: Paint, lean: float = 0.0) -> None:
        """Details (back, front, bottom, top) on both flanks, ``half`` metres out and ``lean`` less at their top."""
        back, front, bottom, top = box
        for sign in (-1.0, 1.0):
            low, high = sign * half, sign * (half - lean)
            self.face([(back, low, bottom), (front, low, bottom), (front, high, top), (back, high, top)], paint, True)

    def on_end(self, at: float, box: tuple[float, float, float, float], paint: Paint, lean: float = 0.0) -> None:
        """A detail (left, right, bottom, top) on the back or front end, ``lean`` metres further on at its top."""
        left, right, bottom, top = box
        corners = [(at, left, bottom), (at, right, bottom), (at + lean, right, top), (at + lean, left, top)]
        self.face(corners, paint, True)

    def wheels(self, axles: tuple[float, ...], radius: float, half: float) -> None:
        """Details on both flanks: tyre and hub of every axle."""
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        for axle in axles:
            for sign in (-1.0, 1.0):
                for share, paint in ((1.0, "tyre"), (0.55, "hub")):
                    ring = [(axle + share * radius * c, sign * half, radius + share * radius * v)
                            for c, v in zip(np.cos(turn), np.sin(turn), strict=True)]  # fmt: skip
                    self.face(ring, paint, share < 1)  # type: ignore[arg-type]

    def treads(self, at: float, half: float, width: float, top: float) -> None:
        """A new part: the tyres of one axle as seen from behind or ahead."""
        for side in (-half, half - width):
            self.box((at - 0.25, at + 0.25, side, side + width, 0.0, top), "tyre")

    def lights(self, back: float, front: float, side: float, tail: float, head: float) -> None:
        """Where lamps glow: at ``side`` metres left and right, ``tail`` and ``head`` metres up."""
        self._tails = np.array([(back, -side, tail), (back, side, tail)])
        self._heads = np.array([(front, -side, head), (front, side, head)])

    def finish(self) -> Mesh:
        """The mesh, with every face's light and turning sense worked out."""
        corners: list[Floats] = []
        parts: list[list[_Face]] = []
        count = 0
        for part in self._parts:
            middle = np.concatenate([points for points, _, _ in part]).mean(axis=0)
            faces = []
            for given, paint, detail in part:
                points, normal = _outward(given, middle)
                faces.append(_Face(np.arange(count, count + len(points)), paint, detail, normal, float(middle[0])))
                corners.append(points)
                count += len(points)
            parts.append(faces)
        every = np.concatenate(corners)
        length, width, height = np.ptp(every, axis=0).tolist()
        drawings = (_drawing(parts, 1), _drawing(parts, -1))
        return Mesh(every, drawings, length, width, height, self._tails, self._heads)


class _Face(NamedTuple):
    corners: NDArray[np.intp]
    paint: Paint
    detail: bool
    normal: Floats
    middle: float
    """Forward position of its part's middle."""


def _drawing(parts: list[list[_Face]], direction: int) -> Drawing:
    """Parts furthest first; their faces as they were given."""
    faces = [face for part in sorted(parts, key=lambda part: -direction * part[0].middle) for face in part]
    light = _SUN * (direction, direction, 1)
    return Drawing(
        tuple(face.corners for face in faces),
        np.array([[face.corners[n * len(face.corners) // 3] for n in range(3)] for face in faces]),
        tuple(face.paint for face in faces),
        np.array([face.detail for face in faces]),
        np.array([0.64 + 0.34 * face.normal @ light + 0.1 * face.normal[2] for face in faces]),
    )


def _outward(points: Floats, middle: Floats) -> tuple[Floats, Floats]:
    """The face's corners turned so that its normal points away from ``middle``, and that normal."""
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
    if float(normal @ (points.mean(axis=0) - middle)) < 0:
        return points[::-1], -normal
    return points, normal
