"""Sizing: how large what was seen is, in millimetres, where a frame comes with depth.

The surface that a detection lies on is a plane through the depth camera's points, in the picture's camera:

- of a thin mask (``ThinMask``), the points around it, up to eight of their spacings away: a crack has hardly any of its
  own, and the wall beside it says better where it is. Where they lie on no one plane (a corner, a pillar) its halves
  are looked at, and theirs;
- of another mask, the points on it; of a box alone those in its middle, for its corners show what is behind. What
  stands before or behind the nearer of these by more than half the box's longer side belongs to something else. Where
  less than half of the points lie on a plane (a plant, a person bent forward), the plane that faces the camera in
  their middle. So things are measured where their front is: a ball is a little larger than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.depth_view import DepthView
from contracts.frame import Frame
from contracts.planes import Plane, facing, fitted
from contracts.prediction import Detections, InstanceMasks, Part
from contracts.sizes import Sizes
from pipeline.widths import ThinMask

_Box = tuple[float, float, float, float]
_Numbers = NDArray[np.float64]
_Fitted = tuple[Plane, float]

_AROUND = 8.0  # spacings of depth points around a thin mask
_FLAT, _HALF = 0.75, 0.5  # share of the points that lie on what is flat; and where it is not looked at closer
_MIDDLE = 0.25  # of a box's sides that is left out all around
_QUARTER = 25  # per cent of a box's points that are nearer than those that say where it is
_DEEP = 0.5  # of a box's longer side
_MM = 1000.0


class Sizing:
    """Gives boxes their sizes. Used by one thread at a time."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._view: DepthView | None = None

    def sized(self, parts: Mapping[str, Part], frame: Frame) -> dict[str, Part]:
        """The parts with ``sizes`` in every Detections where the frame has depth; else as they are."""
        if frame.depth is None:
            return dict(parts)
        return {head: self._sized(part, frame) for head, part in parts.items()}

    def _sized(self, part: Part, frame: Frame) -> Part:
        found = part.detections if isinstance(part, InstanceMasks) else part
        if not isinstance(found, Detections):
            return part
        view = self._view_of(frame) if len(found) else None
        sizes = Sizes.unknown(len(found))
        for index in range(len(found) if view is not None else 0):
            box = found.box(index)
            if view is None or box is None:
                continue
            mask = _Mask(part, index) if isinstance(part, InstanceMasks) else None
            _measure(sizes, index, box, mask, view)
        found = replace(found, sizes=sizes)
        return replace(part, detections=found) if isinstance(part, InstanceMasks) else found

    def _view_of(self, frame: Frame) -> DepthView | None:
        """What the depth says of a frame: made once, whatever number of networks looked at it."""
        if self._frame is not frame:
            self._frame, self._view = frame, DepthView.of(frame)
        return self._view


class _Mask:
    """One instance's, and where it lies."""

    def __init__(self, part: InstanceMasks, index: int) -> None:
        window = part.window(index)
        self.pixels, self.corner = part.masks[index], (window.left, window.top)


def _measure(sizes: Sizes, index: int, box: _Box, mask: _Mask | None, view: DepthView) -> None:
    """Fills in what is known of one detection."""
    thin = None if mask is None else ThinMask.of(mask.pixels, mask.corner)
    if thin is None:
        plane = _surface(box, mask, view)
    else:
        around = _around(thin, view)
        whole = fitted(view.rays[around], view.nearness[around])
        found = thin.sizes(_normals(thin.points, around, view, whole), view.intrinsics)
        sizes.lengths[index], sizes.widths[index] = found.length, found.width
        sizes.mean_widths[index], sizes.max_widths[index] = found.mean_width, found.max_width
        plane = _flat_or_facing(whole, around, view)
    if plane is not None:
        x1, y1, x2, y2 = box
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        left, right, top, bottom = plane.places(view.intrinsics.rays(np.array([(x1, y), (x2, y), (x, y1), (x, y2)])))
        sizes.box_widths[index] = np.linalg.norm(right - left) * _MM
        sizes.box_heights[index] = np.linalg.norm(bottom - top) * _MM


def _surface(box: _Box, mask: _Mask | None, view: DepthView) -> Plane | None:
    """The surface of something that is not thin."""
    x1, y1, x2, y2 = box
    if mask is not None and mask.pixels.any():
        own = view.within(x1, y1, x2, y2)
        columns, rows = np.floor(view.points[own] - np.array(mask.corner)).astype(np.intp).T
        height, width = mask.pixels.shape
        there = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        own = own[there]
        own = own[mask.pixels[rows[there], columns[there]] > 0]
    else:
        aside, down = (x2 - x1) * _MIDDLE, (y2 - y1) * _MIDDLE
        own = view.within(x1 + aside, y1 + down, x2 - aside, y2 - down)
    if not len(own):
        return None
    z = 1 / view.nearness[own]
    near = float(np.percentile(z, _QUARTER))
    longest = max((x2 - x1) / view.intrinsics.fx, (y2 - y1) / view.intrinsics.fy) * near
    return _plane(own[np.abs(z - near) <= _DEEP * longest], view)


def _plane(points: NDArray[np.intp], view: DepthView) -> Plane | None:
    """The plane through points, or the one that faces the camera where they have none; None without points."""
    return _flat_or_facing(fitted(view.rays[points], view.nearness[points]), points, view)


def _flat_or_facing(found: _Fitted | None, points: NDArray[np.intp], view: DepthView) -> Plane | None:
    if not len(points):
        return None
    return found[0] if found is not None and found[1] >= _HALF else facing(view.nearness[points])


def _around(thin: ThinMask, view: DepthView) -> NDArray[np.intp]:
    """Indices of the depth points on a thin mask and around it."""
    reach = _AROUND * view.spacing
    height, width = thin.mask.shape
    left, top = thin.corner.tolist()
    near = view.within(left - reach, top - reach, left + width + reach, top + height + reach)
    border = int(reach) + 2
    clear = cv2.copyMakeBorder(1 - thin.mask, border, border, border, border, cv2.BORDER_CONSTANT, value=1)
    far = np.asarray(cv2.distanceTransform(clear, cv2.DIST_L2, 3), np.float32)
    columns, rows = (view.points[near] - (thin.corner - border)).astype(np.intp).T
    return np.asarray(near[far[rows, columns] <= reach], np.intp)


def _normals(points: _Numbers, around: NDArray[np.intp], view: DepthView, whole: _Fitted | None) -> _Numbers:
    """``Plane.normal`` of the surface at points of the frame (N, 2): (N, 3), NaN where there is none.

    whole: through the depth points around all of them.
    """
    if whole is not None and whole[1] >= _FLAT:
        return np.tile(whole[0].normal, (len(points), 1))
    normals = np.full((len(points), 3), np.nan)
    waiting, reach = [np.arange(len(points))], _AROUND * view.spacing
    depths = view.points[around]
    while waiting:
        piece = waiting.pop()
        low, high = points[piece].min(axis=0), points[piece].max(axis=0)
        close = around[((depths >= low - reach) & (depths <= high + reach)).all(axis=1)]
        found = fitted(view.rays[close], view.nearness[close])
        small = (high - low).max() <= 2 * reach
        if found is not None and found[1] >= (_HALF if small else _FLAT):
            normals[piece] = found[0].normal
        elif not small:
            axis = int((high - low).argmax())
            first = points[piece, axis] <= (low[axis] + high[axis]) / 2
            waiting += [piece[first], piece[~first]]
    return normals
