"""Scales a picture to the size a network wants, in one pass from the form it arrived in."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from av import VideoFrame
from av.error import ArgumentError
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from contracts.picture import Picture

Pixels = NDArray[np.uint8]
Scaled = tuple[Pixels, ...] | Pixels
"""Three planes (h, w) in the order blue, green, red, or one interleaved BGR array (h, w, 3); uint8."""
Colour = Literal["rgb", "bgr"]

# AREA is what OpenCV's INTER_LINEAR (ultralytics' way) gives at 2:1, and bilinear where it enlarges. To planes, not to
# rgb24: swscale's way to packed pixels is 2 levels too dark on average (planes: 0.0) and takes 1.5 times as long.
_INTERPOLATION = Interpolation.AREA
_SAME_SIZE = Interpolation.AREA | Interpolation.ACCURATE_RND  # else a table that is 1 level too dark


class Scaler:
    """Scales pictures; keeps its tables between calls, so used by one thread. YUV keeps its matrix and range."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._resized: Pixels = np.empty((0, 0, 3), np.uint8)

    def scale(self, picture: Picture, width: int, height: int) -> Scaled:
        """The picture at another size; read-only for the caller and valid until the next call."""
        if picture.format != "bgr24":
            same = (picture.width, picture.height) == (width, height)
            try:
                frame = self._reformatter.reformat(  # threads=1: more cost more than they give at these sizes
                    picture.av_frame(),
                    width,
                    height,
                    "gbrp",
                    interpolation=_SAME_SIZE if same else _INTERPOLATION,
                    threads=1,
                )
            except ArgumentError:  # swscale refuses reductions by hundreds of a picture a few pixels wide
                return self._resize(picture.bgr(), width, height)
            green, blue, red = (_plane(frame, index) for index in range(3))
            return blue, green, red
        return self._resize(picture.bgr(), width, height)

    def _resize(self, pixels: Pixels, width: int, height: int) -> Pixels:
        rows, columns = pixels.shape[:2]
        if (columns, rows) == (width, height):
            return pixels
        if self._resized.shape != (height, width, 3):
            self._resized = np.empty((height, width, 3), np.uint8)
        method = cv2.INTER_LINEAR
        if columns > 2 * width or rows > 2 * height:  # INTER_LINEAR looks at 2x2 pixels: it would skip some
            method = cv2.INTER_AREA
            if columns < width or rows < height:  # INTER_AREA cannot enlarge: the axis that shrinks goes first
                shrunk = cv2.resize(pixels, (min(columns, width), min(rows, height)), interpolation=method)
                pixels = np.asarray(shrunk, np.uint8)
                method = cv2.INTER_LINEAR
        cv2.resize(pixels, (width, height), dst=self._resized, interpolation=method)
        return self._resized


def interleave(scaled: Scaled, colour: Colour, out: Pixels) -> None:
    """Writes scaled pixels into ``out`` (h, w, 3), which may be a part of a larger array, in this colour order."""
    if isinstance(scaled, tuple):
        cv2.merge(scaled if colour == "bgr" else scaled[::-1], dst=out)
    elif colour == "bgr":
        np.copyto(out, scaled)
    else:
        cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB, dst=out)


def channels(scaled: Scaled, colour: Colour) -> tuple[Pixels, ...]:
    """The three channels (h, w) in this colour order."""
    planes = scaled if isinstance(scaled, tuple) else tuple(scaled[..., index] for index in range(3))
    return planes if colour == "bgr" else planes[::-1]


def _plane(frame: VideoFrame, index: int) -> Pixels:
    """One plane's pixels over the frame's own memory (rows are padded to the line size)."""
    plane: Any = frame.planes[index]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
