"""Where a camera is and what it sees of space: intrinsics, pose, depth; the way from pixels to places and back.

Axes of every camera here are OpenCV's: x to the right, y down, z forward; metres; points are columns.

A pixel sees the places ``z · (x, y, 1)`` of its ray (x, y); for a pinhole x = (u - cx) / fx, y = (v - cy) / fy. So
a depth picture becomes points (unproject), these become points of another camera through the world they share
(``there⁻¹ @ here``, transform), and x = X / Z, y = Y / Z lead to its pixels (project).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pose: TypeAlias = NDArray[np.float64]
"""float64 (4, 4), rigid: camera → world, ``world = pose @ (x, y, z, 1)``."""
_MIDDLE = 0.5  # of a pixel: points of frames count from its edge (see contracts.fit), intrinsics from its middle


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole without distortion, in pixels of the frame as given out; (0, 0) is the middle of the first pixel."""

    fx: float
    fy: float
    cx: float
    cy: float

    def rays(self, points: NDArray[Any]) -> NDArray[Any]:
        """Points of a frame (..., 2), where pixel i covers [i, i + 1) as everywhere → x/z and y/z (..., 2)."""
        middle = np.array([self.cx + _MIDDLE, self.cy + _MIDDLE], points.dtype)
        return np.asarray((points - middle) / np.array([self.fx, self.fy], points.dtype))

    def points(self, rays: NDArray[Any]) -> NDArray[Any]:
        """X/z and y/z (..., 2) → points of the frame (..., 2), the inverse of ``rays``."""
        middle = np.array([self.cx + _MIDDLE, self.cy + _MIDDLE], rays.dtype)
        return np.asarray(rays * np.array([self.fx, self.fy], rays.dtype) + middle)

    def projected(self, places: NDArray[Any]) -> NDArray[Any]:
        """Places (..., 3) in front of the camera → points of the frame (..., 2); NaN for those that are not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = np.where(places[..., 2:] > 0, places[..., :2] / places[..., 2:], np.array(np.nan, places.dtype))
        return self.points(rays)


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """What a depth camera beside the picture's saw, nearest to it in time.

    z: float32 (height, width), metres along the depth camera's optical axis; 0 where it does not know.
    rays: float32 (height, width, 2), x/z and y/z of what each of its pixels sees, its lens taken into account.
    pose: depth camera → the same world as ``Frame.pose``.
    offset: seconds from the frame to it.
    """

    z: NDArray[np.float32]
    rays: NDArray[np.float32]
    pose: Pose
    offset: Fraction = Fraction(0)

    def places(self) -> NDArray[np.float32]:
        """What it knows as places in its own axes: float32 (M, 3), a row of pixels after the other."""
        known = np.flatnonzero(self.z > 0)
        z, rays = self.z.reshape(-1)[known], self.rays.reshape(-1, 2)[known]
        return np.stack([rays[:, 0] * z, rays[:, 1] * z, z]).T


def inverse(pose: Pose) -> Pose:
    """World → camera: of a rigid [R t] it is [Rᵀ −Rᵀt]."""
    back = np.eye(4)
    back[:3, :3] = pose[:3, :3].T
    back[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return back


def moved(places: NDArray[Any], pose: Pose) -> NDArray[Any]:
    """Places (M, 3) through a pose; dtype is kept."""
    return np.asarray(pose[:3, :3].astype(places.dtype) @ places.T + pose[:3, 3:].astype(places.dtype)).T
