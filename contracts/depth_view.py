"""What a depth camera knows of a frame: its points, moved into the picture's camera, which stands somewhere else.

There are far fewer of them than pixels (a HoloLens: one for some 6 × 6 pixels), with holes and noise, so nobody takes
the depth of a pixel: surfaces are fitted to the points around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.frame import Frame
from contracts.planes import facing, fitted
from contracts.space import Depth, Intrinsics, inverse, moved

_AROUND = 0.125  # of the frame's sides: points that far outside still tell of surfaces at its edge
_CELL = 2.0  # spacings of the cells in which the nearest point hides others: few of them are without one
_BEHIND = 0.06  # of the distance: what is that much behind the nearest is hidden; less is a surface seen aslant (75°)
_NEAR, _CLOSE, _SAME = 3.5, 1.5, 0.03
"""Of a pixel's own surface: spacings in which its points are looked for and in which there must be one, and the share
of the distance in which they may differ from the closest of those."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthView:
    """M points that both cameras see.

    points: float32 (M, 2), where they are on the frame. rays: float32 (M, 2), x/z and y/z in the picture's camera.
    nearness: float32 (M,), 1/z there, per metre. spacing: how many pixels of the frame lie between neighbours.
    """

    points: NDArray[np.float32]
    rays: NDArray[np.float32]
    nearness: NDArray[np.float32]
    spacing: float
    intrinsics: Intrinsics

    @classmethod
    def of(cls, frame: Frame) -> DepthView | None:
        """Of a frame whose intrinsics, pose and depth are known and finite; else None."""
        intrinsics, pose, depth = frame.intrinsics, frame.pose, frame.depth
        if intrinsics is None or pose is None or depth is None:
            return None
        if not (np.isfinite(pose).all() and np.isfinite(depth.pose).all()):
            return None
        size = np.array([frame.picture.width, frame.picture.height], np.float32)
        low, high = intrinsics.rays(np.stack([-_AROUND * size, (1 + _AROUND) * size]))
        x, y, z = moved(depth.places(), inverse(pose) @ depth.pose).T  # rows: columns of points would cost double
        (ahead,) = np.nonzero((x > low[0] * z) & (x < high[0] * z) & (y > low[1] * z) & (y < high[1] * z) & (z > 0))
        nearness = 1 / z[ahead]
        rays = np.stack([x[ahead] * nearness, y[ahead] * nearness]).T
        spacing = _spacing(depth, intrinsics)
        visible = _visible(intrinsics.points(rays), nearness, max(_CELL * spacing, 1.0))
        rays = rays.T[:, visible].T
        return cls(intrinsics.points(rays), rays, nearness[visible], spacing, intrinsics)

    def within(self, left: float, top: float, right: float, bottom: float) -> NDArray[np.intp]:
        """Indices of the points in a rectangle of the frame."""
        x, y = self.points.T
        return np.flatnonzero((x >= left) & (x <= right) & (y >= top) & (y <= bottom))

    def places(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Where in the picture's camera the surfaces lie that points (N, 2) of the frame show: (N, 3), metres, or NaN.

        On the plane through the points around each that belong to the same surface as the closest one.
        """
        return np.array([self._place(np.asarray(point, np.float64)) for point in points]).reshape(-1, 3)

    def _place(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        reach = _NEAR * self.spacing
        around = self.within(*(point - reach), *(point + reach))
        if not len(around):
            return np.full(3, np.nan)
        far = np.hypot(*(self.points[around] - point).T)
        closest = far.argmin()
        if far[closest] > _CLOSE * self.spacing:
            return np.full(3, np.nan)
        nearness = self.nearness[around]
        same = np.abs(nearness / nearness[closest] - 1) < _SAME
        found = fitted(self.rays[around[same]], nearness[same])
        plane = found[0] if found is not None else facing(nearness[same])
        return plane.places(self.intrinsics.rays(point))


def _spacing(depth: Depth, intrinsics: Intrinsics) -> float:
    """Pixels of the frame between what neighbours of the depth picture see: seen from two places close together."""
    row = depth.rays[depth.rays.shape[0] // 2, :, 0]
    steps = np.abs(np.diff(row))
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) * intrinsics.fx if len(steps) else 1.0


def _visible(points: NDArray[np.float32], nearness: NDArray[np.float32], cell: float) -> NDArray[np.intp]:
    """Indices of those that nothing in their cell is in front of."""
    columns, rows = (np.floor(axis / np.float32(cell)).astype(np.intp) for axis in points.T)
    columns, rows = columns - columns.min(initial=0), rows - rows.min(initial=0)
    cells = rows * (int(columns.max(initial=0)) + 1) + columns
    nearest = np.zeros(int(cells.max(initial=0)) + 1, np.float32)
    np.maximum.at(nearest, cells, nearness)
    return np.flatnonzero(nearness * np.float32(1 + _BEHIND) >= nearest[cells])
