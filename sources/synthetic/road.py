"""The road's geometry: a smooth endless course with curves and hills, and how one frame sees it.

Road coordinates are (s, side, up) in metres: along the centre line, to the right of it, above the surface.
Everything in the scene stands in them and is projected by one function, so pixels and truth cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.synthetic.camera import Camera, Floats

NEAR, FAR = 0.5, 420.0
"""Metres ahead of the camera between which the road is sampled."""
_SAMPLES = 150
_DISTANCES = np.geomspace(NEAR, FAR, _SAMPLES)
_GAPS = np.diff(_DISTANCES)
_LOG_STEP = float(np.log(FAR / NEAR) / (_SAMPLES - 1))


@dataclass(frozen=True, slots=True)
class Course:
    """Curves and hills as sums of sines: rows of (amplitude, wavelength in metres, phase).

    curves: amplitude of curvature in 1/m. hills: amplitude of height in m. Both have closed integrals and
    derivatives, so any place of the drive can be looked at without driving there.
    """

    curves: tuple[tuple[float, float, float], ...]
    hills: tuple[tuple[float, float, float], ...]

    @classmethod
    def random(cls, rng: np.random.Generator, radius: float, rise: float) -> Course:
        """A course whose sharpest curve is about ``radius`` metres and whose slope stays below ``rise``."""
        curves = tuple(
            (share / radius, length * rng.uniform(0.85, 1.15), rng.uniform(0, 2 * np.pi))
            for share, length in ((0.65, 1.25 * radius), (0.35, 0.55 * radius))
        )
        hills = tuple(
            (share * rise * length / (2 * np.pi), length * rng.uniform(0.85, 1.15), rng.uniform(0, 2 * np.pi))
            for share, length in ((0.5, 1.05 * radius), (0.5, 0.48 * radius))
        )
        return cls(curves, hills)

    def heading(self, s: Floats) -> Floats:
        """Direction in radians, to the right is positive; the integral of curvature."""
        return sum((-a * w / (2 * np.pi) * np.cos(2 * np.pi * s / w + p) for a, w, p in self.curves), np.zeros_like(s))

    def height(self, s: Floats) -> Floats:
        """Metres above the mean."""
        return sum((a * np.sin(2 * np.pi * s / w + p) for a, w, p in self.hills), np.zeros_like(s))

    def slope(self, s: Floats) -> Floats:
        """Rise per metre; the derivative of ``height``."""
        return sum((a * 2 * np.pi / w * np.cos(2 * np.pi * s / w + p) for a, w, p in self.hills), np.zeros_like(s))


class View:
    """The road as one frame sees it. The camera stands on the road at (``s``, ``side``) and looks along it.

    The ground is level across: a point beside the road is as high as the road at its depth. Cross sections run
    along the picture's rows, widened by 1/cos of the road's direction. The camera pitches with the road below it.
    """

    def __init__(self, camera: Camera, course: Course, s: float, side: float, nod: float = 0.0) -> None:
        self.camera, self.s, self.side = camera, s, side
        here = np.array([s])
        self.heading = float(course.heading(here)[0])
        pitch = float(course.slope(here)[0]) + nod
        self.horizon = camera.horizon + camera.focal * pitch
        turn = course.heading(s + _DISTANCES) - self.heading
        steps = np.diff(_DISTANCES, prepend=0.0)
        self.depth = np.cumsum(steps * _midpoints(np.cos(turn), 1.0))
        self.centre = np.cumsum(steps * _midpoints(np.sin(turn), 0.0)) - side
        drop = camera.above_road - (course.height(s + _DISTANCES) - course.height(here)) + pitch * self.depth
        self.widen = 1 / np.maximum(np.cos(turn), 0.4)
        self._table = np.stack([self.depth, self.centre, drop, self.widen], axis=1)
        self.rows = camera.horizon + camera.focal * drop / self.depth
        self.crest = np.minimum.accumulate(self.rows)
        """Per sample: the highest row (least number) that ground up to there reaches; beyond a crest, less is seen."""
        self.visible = self.rows <= self.crest

    def runs(self, reach: float = FAR) -> list[tuple[int, int]]:
        """Stretches of samples [first, last] not hidden behind a crest, nearest first, up to ``reach`` metres."""
        seen = np.concatenate(([False], self.visible & (reach >= _DISTANCES), [False]))
        edges = np.flatnonzero(seen[1:] != seen[:-1])
        return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]

    def project(self, s: Floats, side: Floats | float, up: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Road coordinates → picture points (..., 2) and pixels per metre (...).

        What lies nearer than ``NEAR`` is pulled forward along the road, which for lengthwise edges is an exact clip.
        """
        ahead = np.clip(s - self.s, NEAR, FAR)
        index = np.minimum((np.log(ahead / NEAR) / _LOG_STEP).astype(np.intp), _SAMPLES - 2)
        share = ((ahead - _DISTANCES[index]) / _GAPS[index])[..., None]
        mixed = self._table[index]
        mixed += (self._table[index + 1] - mixed) * share
        scale = self.camera.focal / mixed[..., 0]
        points = np.empty((*scale.shape, 2))
        points[..., 0] = self.camera.centre + scale * (mixed[..., 1] + side * mixed[..., 3])
        points[..., 1] = self.camera.horizon + scale * (mixed[..., 2] - up)
        return points, scale

    def crest_at(self, s: Floats) -> Floats:
        """Row below which things at ``s`` are hidden by nearer ground (the frame's height where nothing hides them)."""
        index = np.searchsorted(_DISTANCES, s - self.s) - 1
        hidden = (index >= 0) & (
            self.rows[np.clip(index, 0, _SAMPLES - 1)] > self.crest[np.clip(index, 0, None)] + 0.01
        )
        rows = np.clip(np.ceil(self.crest[np.clip(index, 0, None)]), 0, self.camera.height)
        return np.where(hidden, rows, self.camera.height)

    def edge(self, run: tuple[int, int], side: float) -> Floats:
        """The line ``side`` metres right of the centre over one run of samples, as picture points (n, 2)."""
        part = slice(run[0], run[1] + 1)
        scale = self.camera.focal / self.depth[part]
        x = self.camera.centre + scale * (self.centre[part] + side * self.widen[part])
        return np.stack([x, self.rows[part]], axis=-1)

    def ground(self, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Per row of visible ground: distance along the road (m), the centre line's column, pixels per metre."""
        near_to_far = np.flatnonzero(self.visible)[::-1]
        at = self.rows[near_to_far]
        distance = np.interp(rows, at, _DISTANCES[near_to_far])
        scale = self.camera.focal / np.interp(rows, at, self.depth[near_to_far])
        column = self.camera.centre + scale * np.interp(rows, at, self.centre[near_to_far])
        return distance, column, scale / np.interp(rows, at, 1 / self.widen[near_to_far])

    @property
    def top(self) -> int:
        """First row that shows ground."""
        return int(np.clip(np.ceil(self.crest[-1]), 0, self.camera.height - 1))


def _midpoints(values: Floats, before: float) -> Floats:
    """Means of neighbours (the trapezium rule); ``before`` stands in front of the first."""
    return (values + np.concatenate(([before], values[:-1]))) / 2
