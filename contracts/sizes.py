"""Sizes: how large detections are in the world, in millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

_DIGITS = 2  # of numbers in files: 0.01 mm
SIZE_COLUMNS = ("box_width_mm", "box_height_mm", "length_mm", "width_mm", "mean_width_mm", "max_width_mm")
"""What each number is called in files. ``width_mm``: the median."""


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """Of N detections, each float32 (N,), in mm on the surface they lie on; NaN where not known.

    box_widths, box_heights: between the middles of the box's edges. Of thin masks only (see ``pipeline.sizing``):
    lengths: of their centre lines, all branches together; widths, mean_widths, max_widths: across these, the median,
    the mean and the largest.
    """

    box_widths: NDArray[np.float32]
    box_heights: NDArray[np.float32]
    lengths: NDArray[np.float32]
    widths: NDArray[np.float32]
    mean_widths: NDArray[np.float32]
    max_widths: NDArray[np.float32]

    @classmethod
    def unknown(cls, count: int) -> Sizes:
        """Of so many detections, to be filled."""
        return cls(*(np.full(count, np.nan, np.float32) for _ in SIZE_COLUMNS))

    def columns(self) -> dict[str, NDArray[np.float32]]:
        """The six arrays by their names in ``SIZE_COLUMNS``."""
        return {name: getattr(self, field.name) for name, field in zip(SIZE_COLUMNS, fields(self), strict=True)}

    def chosen(self, indices: NDArray[np.intp]) -> Sizes:
        """Those at ``indices``, in that order."""
        return Sizes(*(column[indices] for column in self.columns().values()))

    def known(self, index: int) -> dict[str, float]:
        """What is known of one detection, rounded to 0.01 mm, by its names in ``SIZE_COLUMNS``."""
        sizes = ((name, float(column[index])) for name, column in self.columns().items())
        return {name: round(size, _DIGITS) for name, size in sizes if math.isfinite(size)}
