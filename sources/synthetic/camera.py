"""Camera: the pinhole the drive is seen through, and how points become OpenCV polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Polygon = NDArray[np.int32]

SHIFT = 4
"""Fractional bits of polygon corners: OpenCV rasterises to a sixteenth of a pixel."""
_FAR_OUTSIDE = 24_000.0
"""Pixels; corners beyond are clipped, so that fixed-point arithmetic never overflows."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A level pinhole behind the windscreen. All in pixels but ``above_road`` (metres)."""

    width: int
    height: int
    focal: float
    centre: float
    """Column straight ahead."""
    horizon: float
    """Row of the horizon on a level road."""
    above_road: float = 1.4

    @classmethod
    def for_size(cls, width: int, height: int) -> Camera:
        """A dashcam's field of view (about 61° of the longer side)."""
        return cls(width, height, 0.85 * max(width, 0.9 * height), width / 2, 0.455 * height)


def to_fixed(points: Floats) -> Polygon:
    """Continuous pixel coordinates (..., 2) → OpenCV's fixed point with ``SHIFT`` fractional bits.

    Here pixel i covers [i, i + 1); OpenCV puts its centre at i, hence the half.
    """
    clipped = np.clip(points, -_FAR_OUTSIDE, _FAR_OUTSIDE)
    return np.asarray(np.rint((clipped - 0.5) * (1 << SHIFT)), np.int32)
