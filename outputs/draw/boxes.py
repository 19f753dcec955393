"""Boxes: crisp rectangles on all three planes, on even pixels so that luma and chroma agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outputs.draw.canvas import Canvas
from outputs.draw.colours import Yuv
from outputs.draw.placing import Rectangle


def line_width(canvas: Canvas) -> int:
    """Pixels of a box's line: even; 2 up to 720 rows, 4 at 1080, 8 at 2160."""
    return 2 * max(1, round(canvas.scale * 1.2))


def even_corners(boxes: NDArray[np.float32], canvas: Canvas) -> NDArray[np.int64]:
    """Boxes (N, 4) of the frame on the canvas: whole, even pixels of the picture on it, at least 2 × 2 of them.

    x1 y1 rounded down, x2 y2 up. NaN counts as 0 (a box must not end a run).
    """
    limit = np.array([canvas.frame_width + canvas.frame_width % 2, canvas.frame_height + canvas.frame_height % 2])
    zoomed = boxes if canvas.zoom == (1.0, 1.0) else boxes * np.tile(canvas.zoom, 2)
    halves = np.fmin(np.fmax(zoomed, 0), np.tile(limit, 2)) / 2
    corners = np.empty(boxes.shape, np.int64)
    corners[:, :2] = np.minimum(np.floor(halves[:, :2]) * 2, limit - 2)
    corners[:, 2:] = np.maximum(np.ceil(halves[:, 2:]) * 2, corners[:, :2] + 2)
    corners += np.tile([canvas.left, canvas.top], 2)
    return corners


def draw_box(canvas: Canvas, corners: Rectangle, colour: Yuv, line: int) -> None:
    """A rectangle whose outer edge is ``corners`` (even pixels), its line drawn inside."""
    x1, y1, x2, y2 = corners
    half = (x1 // 2, y1 // 2, x2 // 2, y2 // 2)
    _frame(canvas.y, corners, line, colour.y)
    _frame(canvas.u, half, line // 2, colour.u)
    _frame(canvas.v, half, line // 2, colour.v)


def _frame(plane: NDArray[np.uint8], corners: Rectangle, line: int, value: int) -> None:
    x1, y1, x2, y2 = corners
    plane[y1 : min(y1 + line, y2), x1:x2] = value
    plane[max(y2 - line, y1) : y2, x1:x2] = value
    plane[y1:y2, x1 : min(x1 + line, x2)] = value
    plane[y1:y2, max(x2 - line, x1) : x2] = value
