"""Shaper: every picture of a source upright and of one size."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from contracts.fit import Window, inside
from contracts.picture import Picture, Pixels
from contracts.space import Intrinsics

_LEAST_BAR = 2
"""Pixels: less is rounding, and would be a flaw at the edge."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG (libavutil/pixfmt.h)."""
_SLACK = 0.02
"""How far, of its largest part, a matrix may be from one of the eight orientations: about one degree."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways a camera may have stored an upright picture, as the steps back to it, in this order.

    transposed: rows become columns. across: left and right change places. down: top and bottom do.
    """

    transposed: bool = False
    across: bool = False
    down: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """What a frame's display matrix asks for; none, and any other matrix (slanted, sheared), leave it as stored.

        The matrix (libavutil/display.h: a b u c d v x y w, in 16.16) shows the stored point (p, q) at
        (a p + c q + x, b p + d q + y).
        """
        data: Any = frame.side_data.get("DISPLAYMATRIX")  # the stubs do not know that it is a buffer
        if data is None:
            return cls()
        a, b, _, c, d, *_ = struct.unpack_from("=9i", memoryview(data))
        straight, crossed = (abs(a), abs(d)), (abs(b), abs(c))
        if max(crossed) <= _SLACK * min(straight) and min(straight):
            return cls(across=a < 0, down=d < 0)
        if max(straight) <= _SLACK * min(crossed) and min(crossed):
            return cls(transposed=True, across=c < 0, down=b < 0)
        return cls()

    @property
    def mirrored(self) -> bool:
        """Whether left and right have to change places, before the turn by ``rotation``."""
        return self.transposed ^ self.across ^ self.down

    @property
    def rotation(self) -> int:
        """Degrees clockwise: 0, 90, 180 or 270."""
        if self.transposed:
            return 90 if self.across else 270
        return 180 if self.down else 0

    def turn(self, plane: Pixels, into: Pixels) -> None:
        """Writes ``plane`` (height, width[, channels]) upright; exact, without resampling."""
        if self.transposed:
            plane = cv2.transpose(plane, dst=into)  # type: ignore[assignment]
        if self.across or self.down:
            cv2.flip(plane, -1 if self.across and self.down else int(self.across), dst=into)


class Shaper:
    """Brings decoded frames to the first one's size, and turns them as the container's display matrix says.

    width, height: pixels of a picture as given out (upright).
    orientation: how the first frame asked to be turned; all are turned like it.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._stored = (first.width, first.height)
        self.orientation = Orientation.of(first)
        self.width, self.height = reversed(self._stored) if self.orientation.transposed else self._stored
        self._scaler = VideoReformatter()

    def fits(self, frame: VideoFrame) -> bool:
        """Whether the frame has the size of the first one as it is."""
        return (frame.width, frame.height) == self._stored

    def picture(self, frame: VideoFrame) -> Picture:
        """The frame's picture; without copying where it needs neither scaling nor turning.

        A frame of other proportions lies between black bars.
        """
        if not self.fits(frame):
            if self._has_other_proportions(frame):
                frame = self._between_bars(frame)
            else:
                frame = self._scaler.reformat(frame, *self._stored)
        if self.orientation == Orientation():
            return Picture.from_av(frame)
        if self.width % 2 or self.height % 2:
            frame = frame.reformat(format="bgr24")  # half a chroma sample at one edge would land at the other
        return self._turned(Picture.from_av(frame), frame)

    def intrinsics(self, found: Intrinsics, frame: VideoFrame) -> Intrinsics | None:
        """Of the picture as given out, from those of the frame as stored; None where it was turned."""
        if self.orientation != Orientation():
            return None
        place = place_in(self._stored, frame.width, frame.height)
        across, down = place.width / frame.width, place.height / frame.height
        return Intrinsics(
            found.fx * across,
            found.fy * down,
            (found.cx + 0.5) * across - 0.5 + place.left,  # the middle of a pixel is half a pixel from its edge
            (found.cy + 0.5) * down - 0.5 + place.top,
        )

    def _has_other_proportions(self, frame: VideoFrame) -> bool:
        place = place_in(self._stored, frame.width, frame.height)
        return max(self._stored[0] - place.width, self._stored[1] - place.height) > _LEAST_BAR

    def _between_bars(self, frame: VideoFrame) -> VideoFrame:
        pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        return VideoFrame.from_ndarray(fitted(pixels, self._stored), format="bgr24")

    def _turned(self, picture: Picture, frame: VideoFrame) -> Picture:
        """The picture turned plane by plane (exact: no resampling), its colour tags kept."""
        target = VideoFrame(self.width, self.height, picture.format)
        target.colorspace = frame.colorspace
        target.color_range = _FULL_RANGE if picture.full_range else frame.color_range
        turned = Picture.from_av(target)
        for source, view in zip(picture.planes, turned.planes, strict=True):
            view.flags.writeable = True
            self.orientation.turn(source, view)
            view.flags.writeable = False
        return turned


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """BGR pixels scaled into ``size`` (width, height) in their own proportions, centred between black bars."""
    place = place_in(size, pixels.shape[1], pixels.shape[0])
    smaller = place.width < pixels.shape[1] or place.height < pixels.shape[0]
    inner = cv2.resize(
        pixels, (place.width, place.height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[place.top : place.top + place.height, place.left : place.left + place.width] = inner
    canvas.flags.writeable = False
    return canvas


def place_in(size: tuple[int, int], width: int, height: int) -> Window:
    """Where a picture of width × height lies once it is ``fitted`` into ``size``."""
    across, down = inside((width, height), size)
    return Window((size[0] - across) // 2, (size[1] - down) // 2, across, down)
