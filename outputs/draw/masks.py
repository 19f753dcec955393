"""Masks: areas blended into the three planes, in uint8, inside their bounding box only.

Blending with a colour is linear, so it may be done on luma and chroma as they are: v → (1 − alpha) v + alpha c.

A mask is smoothed before it grows, or its pixels would show as steps: a 1-2-1 filter each way at the network's
resolution, bilinear growth, and a cut at ``CUT``. Edges stay within one pixel of the network's; specks of a single
pixel vanish. Masks of instances come at the frame's resolution, smooth already; they are painted as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Pixels
from contracts.prediction import Mask
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Yuv

CUT = 79
"""Of 255: above it a smoothed mask is set. Just under 5/16, all that is left along a one-pixel diagonal line."""
_REACH = 2  # pixels beyond a set one that smoothing and interpolation can touch


@dataclass(frozen=True, slots=True)
class Crop:
    """A piece of one axis, [start, stop) on a mask's content and [first, last) on a plane, exactly matching."""

    start: int
    stop: int
    first: int
    last: int


def crop_of(begin: int, length: int, source: int, target: int) -> Crop:
    """The piece that holds [begin, begin + length) of ``source`` pixels when these are scaled to ``target``.

    It ends where pixel borders of both sizes meet, so scaling the piece gives the very pixels that scaling the whole
    would; and it holds ``_REACH`` more pixels on each side.
    """
    pieces = math.gcd(source, target)
    of_source, of_target = source // pieces, target // pieces
    one = max(begin - _REACH, 0) // of_source
    other = min(-(-(begin + length + _REACH) // of_source), pieces)
    return Crop(one * of_source, other * of_source, one * of_target, other * of_target)


class MaskBrush:
    """Paints masks; keeps its scratch memory from frame to frame."""

    def __init__(self) -> None:
        self._content, self._stencil, self._blended = Scratch(), Scratch(), Scratch()

    def paint(self, canvas: Canvas, mask: Mask, colour: Yuv, alpha: float) -> None:
        """Blend ``colour`` into the canvas where the mask is set; every other pixel stays as it is."""
        content = mask.content()
        left, top, width, height = cv2.boundingRect(content)
        if not width or alpha <= 0:
            return
        luma, chroma = (canvas.frame_width, canvas.frame_height), (canvas.u.shape[1], canvas.u.shape[0])
        for size, planes in (
            (luma, ((canvas.y, colour.y),)),
            (chroma, ((canvas.u, colour.u), (canvas.v, colour.v))),
        ):
            across = crop_of(left, width, content.shape[1], size[0])
            down = crop_of(top, height, content.shape[0], size[1])
            stencil = self._stencil_of(content, across, down)
            for plane, value in planes:
                self._blend(plane[down.first : down.last, across.first : across.last], stencil, value, alpha)

    def paint_instance(self, canvas: Canvas, mask: Pixels, corner: tuple[int, int], colour: Yuv, alpha: float) -> None:
        """Blend ``colour`` into the canvas where ``mask`` (0 and 1) is set; ``corner``: left, top, in the frame.

        A chroma pixel is painted where at least two of its four luma pixels are.
        """
        mask, (left, top) = zoomed(mask, corner, canvas.zoom)
        mask = mask[: max(canvas.frame_height - top, 0), : max(canvas.frame_width - left, 0)]
        if not mask.any() or alpha <= 0:
            return
        height, width = mask.shape
        column, row = left // 2, top // 2  # the chroma pixel of the corner
        down, across = -(-(top + height) // 2) - row, -(-(left + width) // 2) - column
        even = self._content.of((2 * down, 2 * across))
        even[:] = 0
        np.multiply(mask, 255, out=even[top % 2 : top % 2 + height, left % 2 : left % 2 + width])
        y, x = 2 * row, 2 * column
        self._blend(canvas.y[y : y + 2 * down, x : x + 2 * across], even, colour.y, alpha)
        half = self._stencil.of((down, across))
        cv2.resize(even, (across, down), half, interpolation=cv2.INTER_AREA)
        cv2.threshold(half, 126, 255, cv2.THRESH_BINARY, half)
        for plane, value in ((canvas.u, colour.u), (canvas.v, colour.v)):
            self._blend(plane[row : row + down, column : column + across], half, value, alpha)

    def _blend(self, region: Pixels, stencil: Pixels, value: int, alpha: float) -> None:
        blended = self._blended.of(region.shape)
        # The same as a table of 256 entries, in half the time: OpenCV scales 32 pixels at once.
        cv2.convertScaleAbs(region, blended, 1 - alpha, alpha * value)
        cv2.copyTo(blended, stencil, region)

    def _stencil_of(self, content: Pixels, across: Crop, down: Crop) -> Pixels:
        """The piece of the mask at the plane's size, smoothed: 0 or 255."""
        piece = content[down.start : down.stop, across.start : across.stop]
        full = self._content.of(piece.shape)
        np.multiply(piece, 255, out=full)
        cv2.GaussianBlur(full, (3, 3), 0, full, borderType=cv2.BORDER_REPLICATE)
        stencil = self._stencil.of((down.last - down.first, across.last - across.first))
        cv2.resize(full, (stencil.shape[1], stencil.shape[0]), stencil, interpolation=cv2.INTER_LINEAR)
        cv2.threshold(stencil, CUT, 255, cv2.THRESH_BINARY, stencil)
        return stencil


def zoomed(mask: Pixels, corner: tuple[int, int], zoom: tuple[float, float]) -> tuple[Pixels, tuple[int, int]]:
    """A small mask (0 and 1) and its corner, left and top, where the frame is drawn ``zoom`` times as large.

    Interpolated between pixels' centres, nothing beyond its edges, and cut at ½.
    """
    if zoom == (1.0, 1.0):
        return mask, corner
    (across, down), (height, width) = zoom, mask.shape
    left, top = math.floor(corner[0] * across), math.floor(corner[1] * down)
    size = (
        math.ceil((corner[0] + width) * across) - left,
        math.ceil((corner[1] + height) * down) - top,
    )
    # Where the centre of each new pixel lies among the old ones' centres.
    back = np.array(
        [
            [1 / across, 0, (left + 0.5) / across - 0.5 - corner[0]],
            [0, 1 / down, (top + 0.5) / down - 0.5 - corner[1]],
        ]
    )
    grown = cv2.warpAffine(mask * np.uint8(255), back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(grown > 127, np.uint8), (left, top)


class Scratch:
    """Memory that is used again for arrays of any shape."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def of(self, shape: tuple[int, ...]) -> Pixels:
        """An array of ``shape`` with whatever was in it; the one given before is overwritten."""
        size = math.prod(shape)
        if self._memory.size < size:
            self._memory = np.empty(size, np.uint8)
        return self._memory[:size].reshape(shape)
