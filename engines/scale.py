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
Planes = tuple[Pixels, Pixels, Pixels]
Colour = Literal["rgb", "bgr"]

# swscale's AREA is what OpenCV's INTER_LINEAR (ultralytics' way) gives at 2:1, bilinear where it enlarges, and the
# cheapest that skips no pixel: 0.7 CPU-ms for 1280x720 → 640x360; BILINEAR blurs, FAST_BILINEAR and POINT skip.
_INTERPOLATION = Interpolation.AREA


class Scaler:
    """Scales pictures; keeps its tables between calls, so used by one thread. YUV keeps matrix and range in mind.

    Arrays given out are read-only for the caller and valid until the next call.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._swapped: Pixels = np.empty((0, 0, 3), np.uint8)
        self._resized: Pixels = np.empty((0, 0, 3), np.uint8)

    def packed(self, picture: Picture, width: int, height: int, colour: Colour) -> Pixels:
        """(height, width, 3) uint8 in the colour order asked for."""
        if picture.format != "bgr24":
            frame = self._reformat(picture, width, height, f"{colour}24")
            if frame is not None:
                return _rows(frame, 0, width * 3).reshape(height, width, 3)
        resized = self._resize(picture.bgr(), width, height)
        if colour == "bgr":
            return resized
        if self._swapped.shape != resized.shape:
            self._swapped = np.empty_like(resized)
        cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, dst=self._swapped)
        return self._swapped

    def planes(self, picture: Picture, width: int, height: int, colour: Colour) -> Planes:
        """Three arrays (height, width) uint8 in the colour order asked for."""
        order = (2, 1, 0) if colour == "rgb" else (0, 1, 2)
        if picture.format != "bgr24":
            frame = self._reformat(picture, width, height, "gbrp")
            if frame is not None:
                green, blue, red = (_rows(frame, plane, width) for plane in range(3))
                return (red, green, blue) if colour == "rgb" else (blue, green, red)
        resized = self._resize(picture.bgr(), width, height)
        first, second, third = (resized[..., channel] for channel in order)
        return first, second, third

    def _reformat(self, picture: Picture, width: int, height: int, form: str) -> VideoFrame | None:
        """The answer of swscale; None where it refuses (reductions by some hundreds with a width of few pixels)."""
        try:
            return self._reformatter.reformat(  # threads=1: more only add their own cost at these sizes
                picture.av_frame(), width, height, form, interpolation=_INTERPOLATION, threads=1
            )
        except ArgumentError:
            return None

    def _resize(self, pixels: Pixels, width: int, height: int) -> Pixels:
        if pixels.shape[:2] == (height, width):
            return pixels
        # INTER_LINEAR looks at 2x2 source pixels; beyond a reduction by two it would skip some.
        shrinks = pixels.shape[1] > 2 * width or pixels.shape[0] > 2 * height
        if self._resized.shape != (height, width, 3):
            self._resized = np.empty((height, width, 3), np.uint8)
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(pixels, (width, height), dst=self._resized, interpolation=method)
        return self._resized


def _rows(frame: VideoFrame, plane: int, width: int) -> Pixels:
    """One plane's pixels over the frame's own memory (rows are padded to the line size)."""
    memory: Any = frame.planes[plane]
    return np.frombuffer(memory, np.uint8).reshape(-1, memory.line_size)[: frame.height, :width]
