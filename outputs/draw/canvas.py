"""Canvas: a frame's own copy of the picture, one I420 buffer that is drawn on in place and encoded as it is.

The decoder's planes are its reference frames and are never written. A canvas is limited-range yuv420p whatever came
in; 4:2:0 video wants even sizes, so an odd picture gains one replicated column or row.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from contracts.picture import ColourMatrix, Picture, Pixels
from contracts.pool import Pool


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Planes to draw on, all views of ``buffer``.

    buffer: uint8 (height × 3/2, width), I420: all of Y, then U, then V, without gaps. y: (height, width); u and v:
    (height/2, width/2). frame_width, frame_height: the picture's own size, up to one pixel less than the canvas.
    """

    buffer: Pixels
    y: Pixels
    u: Pixels
    v: Pixels
    frame_width: int
    frame_height: int
    matrix: ColourMatrix
    tagged: bool

    @property
    def width(self) -> int:
        """Pixels per row, even."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows, even."""
        return int(self.y.shape[0])

    @property
    def scale(self) -> float:
        """How large lines and letters should be; 1 at 1280×720 (the short side counts)."""
        return min(self.width, self.height) / 720

    def picture(self) -> Picture:
        """The canvas as a finished, read-only picture; ``owner`` is the I420 buffer itself, for encoders."""
        for array in (self.buffer, self.y, self.u, self.v):
            array.flags.writeable = False
        return Picture("yuv420p", (self.y, self.u, self.v), self.matrix, False, self.tagged, self.buffer)


class Canvases:
    """Makes canvases from pictures. Buffers come from a pool and return when nobody looks at them any more."""

    def __init__(self) -> None:
        self._pool = Pool((3, 2))
        self._reformatter = VideoReformatter()

    def of(self, picture: Picture) -> Canvas:
        """A canvas that shows ``picture``; the picture itself is left alone."""
        width, height = picture.width + picture.width % 2, picture.height + picture.height % 2
        if self._pool.shape != (height * 3 // 2, width):
            self._pool = Pool((height * 3 // 2, width))  # a source may change its size in mid-stream
        buffer = self._pool.take()
        flat, size = buffer.reshape(-1), width * height
        canvas = Canvas(
            buffer=buffer,
            y=flat[:size].reshape(height, width),
            u=flat[size : size * 5 // 4].reshape(height // 2, width // 2),
            v=flat[size * 5 // 4 :].reshape(height // 2, width // 2),
            frame_width=picture.width,
            frame_height=picture.height,
            matrix="bt601" if picture.format == "bgr24" else picture.matrix,
            tagged=picture.format == "bgr24" or picture.tagged,
        )
        self._fill(canvas, picture)
        return canvas

    def _fill(self, canvas: Canvas, picture: Picture) -> None:
        if picture.format == "bgr24":
            _fill_from_bgr(canvas, picture.planes[0])
            return
        if picture.full_range:
            picture = self._limited(picture)
        _fill_luma(canvas, picture.planes[0])
        if picture.format == "nv12":
            for channel, plane in enumerate((canvas.u, canvas.v)):
                cv2.extractChannel(picture.planes[1], channel, plane)
        else:
            np.copyto(canvas.u, picture.planes[1])
            np.copyto(canvas.v, picture.planes[2])

    def _limited(self, picture: Picture) -> Picture:
        """The same picture in limited range, by swscale; its context is kept from frame to frame."""
        frame: av.VideoFrame = self._reformatter.reformat(
            picture.av_frame(), format="yuv420p", dst_color_range=ColorRange.MPEG
        )
        return Picture.from_av(frame)


def _fill_luma(canvas: Canvas, plane: Pixels) -> None:
    height, width = plane.shape
    canvas.y[:height, :width] = plane
    if width < canvas.width:
        canvas.y[:height, width] = plane[:, -1]
    if height < canvas.height:
        canvas.y[height] = canvas.y[height - 1]


def _fill_from_bgr(canvas: Canvas, pixels: Pixels) -> None:
    down, right = canvas.height - canvas.frame_height, canvas.width - canvas.frame_width
    if down or right:
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420, canvas.buffer)  # always BT.601 limited
