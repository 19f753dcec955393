"""How long and wide thin things are (cracks, poles, stripes), along the centre lines of their masks, on a surface.

An edge of a mask is known to a part of a pixel, because a pixel is set where more than half of it is covered: along a
line across the mask, its values, interpolated linearly, sum up to the width. Interpolation leaves the sum over all
pixels what it was, so widths times length are the mask's area, and no half pixel is left over at either edge, as it is
of distances between centres of pixels (a strip of w whole pixels has 2 · distance = w + 1 where w is odd and w where it
is even). What stays is that an edge along a row of pixels is rounded to it; at any angle to the rows, and over the
length of a line, that averages out.

The line across is taken at right angles to the centre line *on the surface*, which in the picture of a tilted surface
is no right angle, and both its ends are put on the surface: no scale from pixels to millimetres is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.centre_lines import CentreLine, centre_lines
from contracts.planes import meeting
from contracts.space import Intrinsics

_Pixels = NDArray[np.uint8]
_Numbers = NDArray[np.float64]

_SLENDER = 6.0  # times its widest place that something thin is long, corner to corner
_STEP = 0.25  # pixels between samples across
_TANGENT, _LEAST_TANGENT = 2.0, 6  # points each way, in widths and at least: a digital line has steps
_ROOM, _ROOM_PX = 2.5, 2.0  # how far the edge is looked for, in radii and pixels: across a tilted surface it is further
_SMOOTH, _LEAST_SMOOTH = 1.0, 6  # points each way over which the largest width is a mean, in widths and at least
_MM = 1000.0


@dataclass(frozen=True, slots=True)
class LineSizes:
    """Of one thin thing in mm; NaN where not known. width: the median."""

    length: float
    width: float
    mean_width: float
    max_width: float


@dataclass(frozen=True, slots=True, eq=False)
class ThinMask:
    """A mask's lines, in the order of their points. corner: of the mask on the frame.

    points: (N, 2), on the frame. tangents: (N, 2), unit. radii: (N,), to the mask's edge. line: (N,), which line.
    """

    mask: _Pixels
    corner: _Numbers
    points: _Numbers
    tangents: _Numbers
    radii: _Numbers
    line: NDArray[np.intp]

    @classmethod
    def of(cls, mask: _Pixels, corner: tuple[int, int]) -> ThinMask | None:
        """A mask, uint8 (h, w) of 0 and 1, if it is thin: six times as long, corner to corner, as its widest place.

        So cracks, poles and stripes are, whatever way they wind or branch, and people, cars and potholes are not.
        """
        left, top, width, height = cv2.boundingRect(mask)
        if not width:
            return None
        there = mask[top : top + height, left : left + width]
        padded = cv2.copyMakeBorder(there, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        distances = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
        if np.hypot(width, height) < _SLENDER * (2 * float(distances.max()) - 1):
            return None
        lines = [line for line in centre_lines(there) if len(line.points) > 1]
        if not lines:
            return None
        within = np.concatenate([line.points for line in lines])
        columns, rows = np.clip(within.astype(np.intp), 0, [width - 1, height - 1]).T
        place = np.array([corner[0] + left, corner[1] + top], np.float64)
        return cls(
            there,
            place,
            within + place,
            np.concatenate([_tangents(line) for line in lines]),
            np.maximum(distances[rows, columns] - 0.5, 0.5).astype(np.float64),
            np.repeat(np.arange(len(lines)), [len(line.points) for line in lines]),
        )

    def sizes(self, normals: _Numbers, intrinsics: Intrinsics) -> LineSizes:
        """On surfaces that are planes near each point: (N, 3) as ``Plane.normal``, NaN where not known."""
        places = meeting(normals, intrinsics.rays(self.points))
        steps = self._steps(places, normals, intrinsics)
        starts = np.flatnonzero(np.diff(self.line, prepend=-1))
        steps[starts] = 0
        widths = self._widths(places, normals, intrinsics)
        kept = np.isfinite(widths) & self._away_from_ends()
        if not kept.any():
            return LineSizes(float(steps.sum()), np.nan, np.nan, np.nan)
        weights = np.maximum(np.nan_to_num(steps[kept]), 1e-9)
        smooth = self._smoothed(np.where(kept, widths, np.nan))
        return LineSizes(
            float(steps.sum()),
            float(np.median(smooth[kept])),
            float(np.average(widths[kept], weights=weights)),
            float(smooth[kept].max()),
        )

    def _steps(self, places: _Numbers, normals: _Numbers, intrinsics: Intrinsics) -> _Numbers:
        """Mm from the point before to each, on the surface of each: where two meet, neither's edge is a step."""
        before = meeting(normals, intrinsics.rays(np.roll(self.points, 1, axis=0)))
        return np.asarray(np.linalg.norm(places - before, axis=1) * _MM)

    def _widths(self, places: _Numbers, normals: _Numbers, intrinsics: Intrinsics) -> _Numbers:
        """Mm across at each point; NaN where the surface is not known or no edge is found."""
        ways = _across(self.points, self.tangents, places, normals, intrinsics)
        ends = [self._reach(way) for way in (ways, -ways)]
        edges = [
            meeting(normals, intrinsics.rays(self.points + way * end[:, None]))
            for way, end in zip((ways, -ways), ends, strict=True)
        ]
        return np.asarray(np.linalg.norm(edges[0] - edges[1], axis=1) * _MM)

    def _reach(self, ways: _Numbers) -> _Numbers:
        """How far the mask goes on from each point in a direction, in pixels; NaN where it has no edge there."""
        room = _ROOM * self.radii + _ROOM_PX
        far = np.arange(0, float(room.max()) + _STEP, _STEP)
        sampled = (self.points - self.corner - 0.5)[:, None] + ways[:, None] * far[:, None]  # (N, samples, 2)
        x, y = np.nan_to_num(sampled, nan=-9.0).astype(np.float32).transpose(2, 0, 1)
        values = _sampled(self.mask, x, y)
        values = values * np.logical_and.accumulate(values > 0, axis=1)
        sums = (values.sum(axis=1) - values[:, 0] / 2) * _STEP
        ended = (values[:, -1] == 0) & (sums <= room) & (values[:, 0] > 0) & np.isfinite(ways).all(axis=1)
        return np.where(ended, sums, np.nan)

    def _away_from_ends(self) -> NDArray[np.bool_]:
        """Points further from both ends of their line than the mask is wide there: tips taper, forks are wide."""
        first, last = self._ends()
        along = np.cumsum(np.append(0, np.hypot(*np.diff(self.points, axis=0).T)))
        room = 2 * self.radii
        return np.asarray((along - along[first] > room) & (along[last] - along > room))

    def _ends(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first and the last point of each point's line."""
        sizes = np.bincount(self.line)
        behind = np.cumsum(sizes)
        return np.repeat(behind - sizes, sizes), np.repeat(behind - 1, sizes)

    def _smoothed(self, widths: _Numbers) -> _Numbers:
        """Means over neighbours on the same line, of those that are known."""
        first, last = self._ends()
        places = np.arange(len(widths))
        reach = np.maximum(_SMOOTH * 2 * self.radii, _LEAST_SMOOTH).astype(np.intp)
        known = np.isfinite(widths)
        sums = np.append(0, np.cumsum(np.where(known, widths, 0)))
        counts = np.append(0, np.cumsum(known))
        low, high = np.maximum(places - reach, first), np.minimum(places + reach, last) + 1
        return np.asarray((sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1))


def _tangents(line: CentreLine) -> _Numbers:
    """The direction of a line at each of its points."""
    points = line.points
    reach = max(round(_TANGENT * line.width), _LEAST_TANGENT)
    places = np.arange(len(points))
    way = points[np.minimum(places + reach, len(points) - 1)] - points[np.maximum(places - reach, 0)]
    return np.asarray(way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9))


def _across(
    points: _Numbers, tangents: _Numbers, places: _Numbers, normals: _Numbers, intrinsics: Intrinsics
) -> _Numbers:
    """Directions in the picture (N, 2), unit, of the lines on the surface at right angles to the centre line."""
    along = meeting(normals, intrinsics.rays(points + tangents)) - meeting(normals, intrinsics.rays(points - tangents))
    across = np.cross(normals, along)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    # As long in space as two pixels along the line: short enough for perspective not to bend it.
    with np.errstate(invalid="ignore", divide="ignore"):
        across *= np.linalg.norm(along, axis=1, keepdims=True) / length / 2
        way = intrinsics.projected(places + across) - intrinsics.projected(places - across)
        return np.asarray(way / np.linalg.norm(way, axis=1, keepdims=True))


def _sampled(mask: _Pixels, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of a mask between its pixels; 0 outside."""
    most = 30_000  # rows of a picture that OpenCV maps at once are 16 bits
    pixels = mask.astype(np.float32)
    parts: Sequence[NDArray[np.float32]] = [
        np.asarray(
            cv2.remap(pixels, x[start : start + most], y[start : start + most], cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_CONSTANT, borderValue=0), np.float32)
        for start in range(0, len(x), most)
    ]  # fmt: skip
    return np.concatenate(parts)
