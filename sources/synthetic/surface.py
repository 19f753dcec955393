"""Surface: the ground with its asphalt and markings, and the two masks painted with the same corners."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.synthetic.camera import SHIFT, Camera, Floats, Polygon, to_fixed
from sources.synthetic.layout import SECTION, Layout, Marking, Material, Pattern
from sources.synthetic.looks import Colour, Look
from sources.synthetic.road import FAR, NEAR, View
from sources.synthetic.texture import ACROSS, HALF_WIDTH, grain_rows, ground_grain

_PAINT_REACH = 190.0
"""Metres up to which markings are painted."""
_LEAST_WIDTH = 0.75
"""Pixels a 0.15 m line must be wide to stand in the lane mask."""
_FINE = 18.0
"""Metres up to which solid lines follow curves closely."""
_DOUBLE = 0.13
"""Metres from the centre of a double line to each of its lines."""
_LINES: dict[Pattern, tuple[tuple[float, bool], ...]] = {
    "solid": ((0.0, False),),
    "dashed": ((0.0, True),),
    "double": ((-_DOUBLE, False), (_DOUBLE, False)),
    "solid+dashed": ((-_DOUBLE, False), (_DOUBLE, True)),
}
"""Each line of a pattern: offset in metres, and whether it is dashed."""
_HALF = 2
"""The shade is computed at half resolution."""


class Surface:
    """Paints the ground of one drive."""

    def __init__(self, rng: np.random.Generator, layout: Layout, look: Look, camera: Camera) -> None:
        self.layout, self.look, self.camera = layout, look, camera
        self._grain = ground_grain(rng, layout)
        self._land = np.full((camera.height, camera.width, 3), look.grass, np.uint8)  # copying is faster than filling
        self._far = np.full((1, camera.width, 3), look.horizon, np.uint8)
        self._sections = rng.integers(0, 5, len(layout.markings))
        self._paint: dict[str, Colour] = {"white": (222, 226, 226), "yellow": (62, 178, 226)}
        self._reach = min(camera.focal * 0.15 / _LEAST_WIDTH, _PAINT_REACH)

    def colour(self, material: Material) -> Colour:
        """A material's colour in full light, before grain."""
        b, g, r = self.look.asphalt
        return {
            "asphalt": (b, g, r),
            "shoulder": (b + 16, g + 18, r + 20),
            "kerb": (158, 164, 166),
            "pavement": (138, 144, 150),
        }[material]

    def paint(self, view: View, picture: Pixels, drivable: Pixels, lane: Pixels) -> None:
        """Ground, strips and markings in flat colours; fills both masks (0/1) of ground that no crest hides."""
        picture[view.top :] = self._land[view.top :]
        drivable.fill(0)
        lane.fill(0)
        for run in view.runs():
            for strip in self.layout.strips:
                _fill(picture, [_band(view, run, strip.left, strip.right)], self.colour(strip.material))
            _stencil(drivable, _quads(view, run, *self.layout.drivable))
        lane_pieces: list[Polygon] = []
        for colour in ("white", "yellow"):
            polygons, counted = self._markings(view, colour)
            _fill(picture, polygons, self._paint[colour])
            lane_pieces += [polygon for polygon, counts in zip(polygons, counted, strict=True) if counts]
        _stencil(lane, lane_pieces)
        drivable[: view.top] = 0  # a polygon's border may touch the row above the ground
        lane[: view.top] = 0

    def _markings(self, view: View, colour: str) -> tuple[list[Polygon], NDArray[np.bool_]]:
        """Polygons of one colour's markings, and which of them are wide enough for the lane mask."""
        pieces = np.concatenate(
            [
                self._pieces(view.s, n, marking)
                for n, marking in enumerate(self.layout.markings)
                if marking.colour == colour
            ]
            or [np.zeros((0, 4))]
        )
        ends, side, half = pieces[:, :2], pieces[:, 2:3], pieces[:, 3:4]
        corners, _ = view.project(np.repeat(ends, 2, axis=1), side + half * np.array([-1.0, 1.0, 1.0, -1.0]))
        seen = (view.crest_at(ends) >= view.camera.height).all(axis=1)
        return list(to_fixed(corners[seen])), (ends[seen, 1] - view.s) <= self._reach

    def _pieces(self, s: float, number: int, marking: Marking) -> Floats:
        """One marking ahead of ``s``, section by section: rows of start, end, side and half its width (m)."""
        found: list[Floats] = []
        for section in range(int((s + NEAR) // SECTION), int((s + _PAINT_REACH) // SECTION) + 1):
            a, b = max(section * SECTION, s + NEAR), min((section + 1) * SECTION, s + _PAINT_REACH)
            pattern = marking.patterns[(section + int(self._sections[number])) % len(marking.patterns)]
            for offset, dashed in _LINES[pattern]:
                ends = _dashes(a, b, *marking.dash) if dashed else _slices(a, b, s + _FINE)
                across = np.broadcast_to([marking.side + offset, marking.width / 2], ends.shape)
                found.append(np.concatenate([ends, across], axis=1))
        return np.concatenate(found)

    def shade(self, view: View) -> Pixels:
        """Brightness of the ground from ``view.top`` down at half resolution; 128 leaves it as it is."""
        rows = np.arange(view.top + _HALF / 2, self.camera.height + _HALF / 2, _HALF, dtype=np.float64)
        distance, column, scale = view.ground(rows)
        columns = np.arange(_HALF / 2, self.camera.width + _HALF / 2, _HALF, dtype=np.float32)
        slant, start = (1 / (scale * ACROSS)), HALF_WIDTH / ACROSS
        across = np.multiply.outer(slant.astype(np.float32), columns)
        across += (start - column * slant).astype(np.float32)[:, None]
        along = np.broadcast_to(grain_rows(distance, view.s).astype(np.float32)[:, None], across.shape)
        grain = cv2.remap(self._grain, across, np.ascontiguousarray(along), cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
        return np.asarray(grain, np.uint8)

    def light(self, view: View, shade: Pixels) -> Pixels:
        """The shade for three channels (h, w, 3), at half resolution; at night bright only where headlights reach."""
        if self.look.night:
            beam = _headlights(view, shade.shape[0], shade.shape[1])
            shade = np.asarray(cv2.multiply(shade, beam, scale=1 / 128), np.uint8)
        return np.asarray(cv2.merge([shade, shade, shade]), np.uint8)

    def apply(self, view: View, picture: Pixels, light: Pixels) -> None:
        """Multiplies the ground's colours with the light, then lets the distance fade into the haze."""
        ground = picture[view.top :]
        size = (ground.shape[1], ground.shape[0])
        grown = cv2.resize(light, size, interpolation=cv2.INTER_LINEAR)
        cv2.multiply(ground, grown, dst=ground, scale=1 / 128)
        rows = np.arange(view.top, self.camera.height) + 0.5
        haze = haze_share(view.ground(rows)[0], self.look)
        for row in range(min(int(np.count_nonzero(haze > 0.02)), len(rows))):
            share = float(haze[row])
            line = ground[row : row + 1]
            cv2.addWeighted(line, 1 - share, self._far, share, 0, dst=line)


def haze_share(distance: Floats, look: Look) -> Floats:
    """How much of a thing's colour is haze at ``distance`` metres, 0 … 1; full where the sampled road ends."""
    share = 1 - np.exp(-((np.maximum(distance, 0) / look.haze) ** 1.3))
    return np.asarray(np.maximum(share, np.clip((distance - 0.6 * FAR) / (0.4 * FAR), 0, 1) ** 1.5))


def _dashes(a: float, b: float, painted: float, period: float) -> Floats:
    """Starts and ends (n, 2) of the dashes between a and b; dash n starts at n · period wherever the camera is."""
    starts = np.arange(np.floor(a / period), np.ceil(b / period)) * period
    ends = np.stack([np.maximum(starts, a), np.minimum(starts + painted, b)], axis=1)
    return np.asarray(ends[ends[:, 1] > ends[:, 0]])


def _slices(a: float, b: float, fine_until: float) -> Floats:
    """A solid line as pieces (n, 2): 2 m long near by, 8 m further on; the joints stay where they are on the road."""
    fine = np.arange(np.floor(a / 2) + 1, np.ceil(min(b, fine_until) / 2)) * 2
    coarse = np.arange(np.floor(max(a, fine_until) / 8) + 1, np.ceil(b / 8)) * 8
    joints = np.concatenate([[a], fine, coarse, [b]])
    return np.stack([joints[:-1], joints[1:]], axis=1)


def _band(view: View, run: tuple[int, int], left: float, right: float) -> Polygon:
    """A strip of ground over one run of samples."""
    return to_fixed(np.concatenate([view.edge(run, left), view.edge(run, right)[::-1]]))


def _quads(view: View, run: tuple[int, int], left: float, right: float) -> list[Polygon]:
    """The same strip in convex pieces, one from each sample to the next."""
    a, b = to_fixed(view.edge(run, left)), to_fixed(view.edge(run, right))
    return list(np.stack([a[:-1], b[:-1], b[1:], a[1:]], axis=1))


def _fill(picture: Pixels, polygons: list[Polygon], colour: Colour) -> None:
    if polygons:
        cv2.fillPoly(picture, polygons, colour, cv2.LINE_AA, SHIFT)


def _stencil(mask: Pixels, polygons: list[Polygon]) -> None:
    """Sets convex polygons to 1. Not by fillPoly: without LINE_AA it smears along the frame's sides (OpenCV 5.0)."""
    for polygon in polygons:
        cv2.fillConvexPoly(mask, polygon, (1,), cv2.LINE_8, SHIFT)


def _headlights(view: View, height: int, width: int) -> NDArray[Any]:
    """Our own low beams on the ground: uint8 (height, width), 128 = daylight; computed coarsely, it is smooth."""
    rows = np.linspace(view.top, view.camera.height, max(2, height // 2))
    distance, _, _ = view.ground(rows)
    columns = (np.linspace(0, view.camera.width, max(2, width // 4)) - view.camera.centre) / view.camera.focal
    across = columns[None] * distance[:, None]
    spread = 1.6 + 0.105 * distance[:, None]
    throw = np.exp(-((np.maximum(distance - 9, 0) / 26) ** 1.15)) * np.clip(distance / 7, 0.35, 1)
    beam = throw[:, None] * np.exp(-(np.abs((across - 0.5) / spread) ** 2.4))
    level = np.clip(18 + 205 * beam, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
