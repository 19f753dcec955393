"""Where a camera is and what it sees of space: intrinsics, pose, depth.

Axes of every camera here are OpenCV's: x to the right, y down, z forward; metres; points are columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pose: TypeAlias = NDArray[np.float64]
"""float64 (4, 4), rigid: camera → world, ``world = pose @ (x, y, z, 1)``."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole without distortion, in pixels of the frame as given out; (0, 0) is the middle of the first pixel."""

    fx: float
    fy: float
    cx: float
    cy: float


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
