"""Fit: how a frame was fitted into a network's input, and the way back.

Coordinates are continuous: pixel i covers [i, i+1), the frame's right edge is x = width. A point keeps its
relative place in the scaled picture, so ``to_network`` and ``to_frame`` are exact inverses up to float rounding,
and boxes and masks go back through the same numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[Any]
"""Floating-point coordinates (float32 or float64)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels: ``[top:top + height, left:left + width]``."""

    left: int
    top: int
    width: int
    height: int


def inside(picture: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size (width, height) in the picture's proportions that ``room`` holds; at least a pixel each way."""
    ratio = min(room[0] / picture[0], room[1] / picture[1])
    width, height = (min(max(round(side * ratio), 1), most) for side, most in zip(picture, room, strict=True))
    return width, height


def box_window(box: NDArray[Any]) -> Window:
    """The pixels of a box x1 y1 x2 y2 (x1 < x2, y1 < y2): those i with x1 ≤ i < x2, at least one each way.

    This is how ultralytics crops instance masks (utils/ops.py, crop_mask). Inside a frame whose edges clip the box.
    """
    x1, y1, x2, y2 = (math.ceil(corner) for corner in box.tolist())
    left, top = min(x1, x2 - 1), min(y1, y2 - 1)
    return Window(left, top, x2 - left, y2 - top)


@dataclass(frozen=True, slots=True)
class Fit(ABC):
    """Maps between a frame (frame_width × frame_height) and a network's input; all sizes in pixels, ≥ 1."""

    frame_width: int
    frame_height: int
    network_width: int
    network_height: int

    @property
    @abstractmethod
    def content(self) -> Window:
        """Where in the network's input the scaled frame lies."""

    def to_network(self, points: Points) -> Points:
        """Frame points (..., 2) as x, y → points in the network's input; dtype is kept."""
        window = self.content
        scale = np.array([window.width / self.frame_width, window.height / self.frame_height], points.dtype)
        return np.asarray(points * scale + np.array([window.left, window.top], points.dtype))

    def to_frame(self, points: Points) -> Points:
        """Points in the network's input (..., 2) → frame points; not clipped; dtype is kept."""
        window = self.content
        scale = np.array([self.frame_width / window.width, self.frame_height / window.height], points.dtype)
        return np.asarray((points - np.array([window.left, window.top], points.dtype)) * scale)

    def boxes_to_frame(self, boxes: Points) -> Points:
        """(N, 4) x1 y1 x2 y2 in the network's input → frame pixels, clipped to the frame; dtype is kept."""
        corners = self.to_frame(boxes.reshape(-1, 2, 2))
        limit = np.array([self.frame_width, self.frame_height], boxes.dtype)
        clipped: Points = np.clip(corners, 0, limit).reshape(-1, 4).astype(boxes.dtype, copy=False)
        return clipped

    def content_of(self, mask: NDArray[Any]) -> NDArray[Any]:
        """The part of a mask (..., h, w) that shows the frame: padding cut off, a view.

        The mask may have another resolution than the network's input (a quarter of it, say); the cut is scaled.
        """
        height, width = mask.shape[-2:]
        window = self.content
        y, x = height / self.network_height, width / self.network_width
        top, bottom = round(window.top * y), round((window.top + window.height) * y)
        left, right = round(window.left * x), round((window.left + window.width) * x)
        return mask[..., top : max(bottom, top + 1), left : max(right, left + 1)]


@dataclass(frozen=True, slots=True)
class Stretch(Fit):
    """The frame is scaled to fill the input; the aspect ratio is not kept."""

    @property
    def content(self) -> Window:
        """The whole input."""
        return Window(0, 0, self.network_width, self.network_height)


@dataclass(frozen=True, slots=True)
class Letterbox(Fit):
    """The frame is scaled by the smaller ratio and centred; the rest is padding (as ultralytics does)."""

    @property
    def content(self) -> Window:
        """Where the scaled frame lies between the bars."""
        width, height = inside((self.frame_width, self.frame_height), (self.network_width, self.network_height))
        left = round((self.network_width - width) / 2 - 0.1)
        top = round((self.network_height - height) / 2 - 0.1)
        return Window(max(left, 0), max(top, 0), width, height)
