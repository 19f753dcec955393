"""Ignoring: what lies in areas that a run leaves out, the own bonnet or a time stamp, is taken out of what was seen.

The networks see the whole picture: an area painted over would be something to see, too. What they find in it goes
before it is tracked or carried on, so nothing there has a number, is counted, drawn or written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.areas import Area
from contracts.fit import Fit
from contracts.frame import Frame
from contracts.polygon import Polygon
from contracts.prediction import IGNORED, ClassMap, Detections, InstanceMasks, Mask, Part

_MOST = 0.5  # of a box's area; one that has more of it in an ignored area goes
_POINT = 1e-3  # cells of that map: the least side of a box
_GRID = 2048  # pixels of the longer side of the picture's map of ignored places; exact up to this size
_KEPT = 16  # more kinds of masks than any run has; sizes may change in mid-stream


class Ignoring:
    """Takes what lies in ignored areas out of the parts of a prediction. Used by one thread at a time."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = tuple(polygons)
        self._pictures: dict[tuple[int, int], _IgnoredPlaces] = {}
        self._masks: dict[tuple[Fit, tuple[int, ...]], NDArray[np.uint8]] = {}

    def without_ignored(self, parts: Mapping[str, Part], frame: Frame) -> dict[str, Part]:
        """The parts without boxes that lie in ignored areas by more than half, and with masks cleared there.

        Mask and InstanceMasks: 0; ClassMap: ``IGNORED``. Classifications, which are of the whole picture, stay as
        they are. Nothing is changed in place.
        """
        return {head: self._left_of(part, frame) for head, part in parts.items()}

    def _left_of(self, part: Part, frame: Frame) -> Part:
        if isinstance(part, Detections):
            return self._places(frame).left_of(part)
        if isinstance(part, InstanceMasks):
            return self._places(frame).instances_left_of(part)
        if isinstance(part, Mask):
            return replace(part, data=part.data & ~self._ignored_pixels(part.fit, part.data.shape))
        if isinstance(part, ClassMap):
            return replace(part, ids=part.ids | self._ignored_pixels(part.fit, part.ids.shape))
        return part

    def _places(self, frame: Frame) -> _IgnoredPlaces:
        size = (frame.picture.width, frame.picture.height)
        if size not in self._pictures:
            if len(self._pictures) == _KEPT:
                self._pictures.clear()
            self._pictures[size] = _IgnoredPlaces(Area.of(self._polygons, *size))
        return self._pictures[size]

    def _ignored_pixels(self, fit: Fit, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """uint8 of a mask's ``shape``: ``IGNORED``, which is all bits, in ignored areas, 0 elsewhere and in padding."""
        if (fit, shape) not in self._masks:
            if len(self._masks) == _KEPT:
                self._masks.clear()
            pixels = np.zeros(shape, np.uint8)
            content = fit.content_of(pixels)
            area = Area.of(self._polygons, fit.frame_width, fit.frame_height)
            content[:] = area.mask(content.shape[1], content.shape[0]) * np.uint8(IGNORED)
            self._masks[fit, shape] = pixels
        return self._masks[fit, shape]


class _IgnoredPlaces:
    """Ignored areas on pictures of one size: how much of any box they cover, from sums made once."""

    def __init__(self, area: Area) -> None:
        self.size = (area.width, area.height)
        shrink = max(1.0, max(self.size) / _GRID)
        columns, rows = (max(1, round(side / shrink)) for side in self.size)
        self._scale = np.array([columns / area.width, rows / area.height])[:, None]
        self._sums = cv2.integral(area.mask(columns, rows)).astype(np.float64)  # [y, x]: ignored cells above and left
        self._area = area
        self._pixels: NDArray[np.uint8] | None = None

    def left_of(self, part: Detections) -> Detections:
        """The boxes that stay; the same object where all do."""
        stays = self._shares(part.boxes) <= _MOST
        return part if stays.all() else part.chosen(np.flatnonzero(stays))

    def instances_left_of(self, part: InstanceMasks) -> InstanceMasks:
        """Those whose boxes stay, their masks cleared in ignored areas."""
        shares = self._shares(part.detections.boxes)
        if not shares.any():
            return part
        indices = np.flatnonzero(shares <= _MOST)
        left = part.chosen(indices)
        masks = [
            self._cleared(left, index) if share else left.masks[index] for index, share in enumerate(shares[indices])
        ]
        return InstanceMasks(left.detections, tuple(masks))

    def _cleared(self, part: InstanceMasks, index: int) -> NDArray[np.uint8]:
        if self._pixels is None:
            self._pixels = self._area.mask(*self.size)
        window, mask = part.window(index), part.masks[index].copy()
        ignored = self._pixels[window.top : window.top + window.height, window.left : window.left + window.width]
        mask[: ignored.shape[0], : ignored.shape[1]][ignored == 1] = 0
        return mask

    def _shares(self, boxes: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much of each box's area, 0 … 1, is ignored: float64 (N,)."""
        limit = np.array(self._sums.shape[::-1])[:, None] - 1.0
        cells = np.nan_to_num(boxes.T.reshape(2, 2, -1) * self._scale)  # [from or to, x or y, box]
        start = np.clip(cells[0], 0, limit - _POINT)
        end = np.maximum(np.minimum(cells[1], limit), start + _POINT)  # a box without area is a place
        sums = self._sums_at(np.stack([start[0], end[0]]), np.stack([start[1], end[1]]))
        covered = sums[1, 1] - sums[0, 1] - sums[1, 0] + sums[0, 0]
        # Differences of large sums: what is left of rounding must not count as covered.
        return np.asarray((np.maximum(covered, 0) / (end - start).prod(axis=0)).round(6))

    def _sums_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ignored cells above and left of each y with each x, both (2, N), parts of cells by their share: (2, 2, N)."""
        left, top = x.astype(np.intp), y.astype(np.intp)
        np.minimum(left, self._sums.shape[1] - 2, out=left)
        np.minimum(top, self._sums.shape[0] - 2, out=top)
        across, down = (x - left)[None], (y - top)[:, None]
        column, row = left[None], top[:, None]
        upper, lower = (
            sums[row, column] * (1 - across) + sums[row, column + 1] * across for sums in (self._sums, self._sums[1:])
        )
        return np.asarray(upper * (1 - down) + lower * down)
