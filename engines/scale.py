"""Scales a picture to the size a network wants, from the form it arrived in: YUV is scaled first, converted last."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import LUMA_WEIGHTS, ColourMatrix, Picture

Pixels = NDArray[np.uint8]
Colour = Literal["rgb", "bgr"]


class Scaler:
    """Scales pictures; keeps its buffers between calls, so used by one thread.

    YUV planes are scaled each, then converted by the exact matrix in one step. That costs a third of swscale's way to
    packed RGB (0.3 against 0.9 CPU-ms for 1280x720 to 640x360), which is a level too dark besides.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Pixels] = {}

    def packed(self, picture: Picture, colour: Colour, out: Pixels) -> None:
        """Writes the picture into ``out`` (h, w, 3) at its size, which may be a part of a larger array."""
        height, width = out.shape[:2]
        if picture.format == "bgr24":
            scaled = self._resized("bgr", picture.planes[0], width, height)
            if colour == "bgr":
                np.copyto(out, scaled)
            else:
                cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB, dst=out)
            return
        yuv = self._buffer("yuv", (height, width, 3))
        cv2.merge(self._yuv(picture, width, height), dst=yuv)
        cv2.transform(yuv, _to_colour(picture.matrix, picture.full_range, colour), dst=out)

    def channels(self, picture: Picture, colour: Colour, width: int, height: int) -> tuple[Pixels, ...]:
        """Three arrays (height, width) in the card's order; read-only for the caller, valid until the next call."""
        packed = self._buffer("packed", (height, width, 3))
        self.packed(picture, colour, packed)
        planes = tuple(self._buffer(f"channel {index}", (height, width)) for index in range(3))
        cv2.split(packed, planes)
        return planes

    def _yuv(self, picture: Picture, width: int, height: int) -> tuple[Pixels, Pixels, Pixels]:
        """Y, U and V, each (height, width)."""
        luma = self._resized("y", picture.planes[0], width, height)
        if picture.format == "nv12":
            chroma = self._resized("uv", picture.planes[1], width, height)
            first, second = self._buffer("u", (height, width)), self._buffer("v", (height, width))
            cv2.split(chroma, (first, second))
            return luma, first, second
        return (
            luma,
            self._resized("u", picture.planes[1], width, height),
            self._resized("v", picture.planes[2], width, height),
        )

    def _resized(self, name: str, pixels: Pixels, width: int, height: int) -> Pixels:
        """The array at another size: bilinear, and averaged where bilinear would skip pixels."""
        rows, columns = pixels.shape[:2]
        if (columns, rows) == (width, height):
            return pixels
        method = cv2.INTER_LINEAR
        if columns >= 2 * width or rows >= 2 * height:  # INTER_LINEAR looks at 2x2 pixels: it would skip some
            method = cv2.INTER_AREA
            if columns < width or rows < height:  # INTER_AREA cannot enlarge: the axis that shrinks goes first
                shrunk = cv2.resize(pixels, (min(columns, width), min(rows, height)), interpolation=method)
                pixels = np.asarray(shrunk, np.uint8).reshape(min(rows, height), min(columns, width), *pixels.shape[2:])
                method = cv2.INTER_LINEAR
        out = self._buffer(name, (height, width, *pixels.shape[2:]))
        cv2.resize(pixels, (width, height), dst=out, interpolation=method)
        return out

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Pixels:
        """An array of ours, used again while its shape stays."""
        if name not in self._buffers or self._buffers[name].shape != shape:
            self._buffers[name] = np.empty(shape, np.uint8)
        return self._buffers[name]


@lru_cache
def _to_colour(matrix: ColourMatrix, full_range: bool, colour: Colour) -> NDArray[np.float32]:
    """(3, 4): YUV and a one to RGB or BGR, all 8 bits. Inverse of ITU-R BT.601/709/2020, limited or full range."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    luma, chroma, black = (1.0, 255 / 127.5, 0) if full_range else (255 / 219, 255 / 112, 16)
    of_v, of_u = chroma * (1 - red), chroma * (1 - blue)
    rgb = np.array(
        [
            [luma, 0, of_v],
            [luma, -of_u * blue / green, -of_v * red / green],
            [luma, of_u, 0],
        ]
    )
    offset = -rgb @ np.array([black, 128, 128])
    rows = np.hstack([rgb, offset[:, None]]).astype(np.float32)
    return rows if colour == "rgb" else rows[::-1].copy()
