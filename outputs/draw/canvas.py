"""Canvas: a frame's own copy of the picture, one I420 buffer that is drawn on in place and encoded as it is.

The decoder's planes are its reference frames and are never written. A canvas is limited-range yuv420p whatever came
in; 4:2:0 video wants even sizes, so an odd picture gains one replicated column or row. Where a size is asked for, the
picture is scaled to it before anything is drawn, so that letters and lines are of that size and crisp.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from contracts.picture import ColourMatrix, Picture, Pixels
from contracts.pool import Pool
from outputs.draw.scaling import Scaling, place_in

_BLACK, _GREY = 16, 128  # limited-range luma of the bars, and chroma without colour


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Planes to draw on, all views of ``buffer``.

    buffer: uint8 (height × 3/2, width), I420: all of Y, then U, then V, without gaps. y: (height, width); u and v:
    (height/2, width/2). frame_width, frame_height: the picture's size on it, up to one pixel less than the canvas; less
    than that where there are bars beside it. left, top: its corner, even. zoom: canvas pixels per pixel of the frame,
    across and down.
    """

    buffer: Pixels
    y: Pixels
    u: Pixels
    v: Pixels
    frame_width: int
    frame_height: int
    matrix: ColourMatrix
    tagged: bool
    zoom: tuple[float, float] = (1.0, 1.0)
    left: int = 0
    top: int = 0

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

    @property
    def content(self) -> Canvas:
        """The part that shows the picture: itself, or, between bars, views of its planes (``buffer`` stays whole)."""
        width, height = self.frame_width + self.frame_width % 2, self.frame_height + self.frame_height % 2
        if (width, height) == (self.width, self.height):
            return self
        rows, columns = slice(self.top, self.top + height), slice(self.left, self.left + width)
        half = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
        return replace(self, y=self.y[rows, columns], u=self.u[half], v=self.v[half], left=0, top=0)

    def points(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Points (..., 2) of the frame on the canvas, in pixels."""
        return np.asarray(points * np.array(self.zoom) + np.array([self.left, self.top]))

    def picture(self) -> Picture:
        """The canvas as a finished, read-only picture; ``owner`` is the I420 buffer itself, for encoders."""
        for array in (self.buffer, self.y, self.u, self.v):
            array.flags.writeable = False
        return Picture("yuv420p", (self.y, self.u, self.v), self.matrix, False, self.tagged, self.buffer)


class Canvases:
    """Makes canvases from pictures. Buffers come from a pool and return when nobody looks at them any more.

    output_size: width and height of every canvas, even; None: those of the picture.
    """

    def __init__(self, output_size: tuple[int, int] | None = None) -> None:
        self._output_size = output_size
        self._pool = Pool((3, 2))
        self._reformatter = VideoReformatter()
        self._scaling = Scaling()

    def of(self, picture: Picture) -> Canvas:
        """A canvas that shows ``picture``; the picture itself is left alone."""
        if self._output_size is None:
            canvas = self._blank(picture, *(side + side % 2 for side in (picture.width, picture.height)))
            self._fill(canvas, picture)
            return canvas
        place = place_in((picture.width, picture.height), self._output_size)
        blank = self._blank(picture, *self._output_size)
        canvas = replace(
            blank,
            frame_width=place.width,
            frame_height=place.height,
            zoom=(place.width / picture.width, place.height / picture.height),
            left=place.left,
            top=place.top,
        )
        content, scaled = canvas.content, self._scaling.scaled(picture, place.width, place.height)
        if content is not canvas:
            canvas.y[:], canvas.u[:], canvas.v[:] = _BLACK, _GREY, _GREY
            scaled = self._scaling.in_planes(scaled)
        self._fill(content, scaled)
        return canvas

    def _blank(self, picture: Picture, width: int, height: int) -> Canvas:
        """A canvas of that size (even) with whatever was in its memory, in the picture's colours."""
        if self._pool.shape != (height * 3 // 2, width):
            self._pool = Pool((height * 3 // 2, width))  # a source may change its size in mid-stream
        buffer = self._pool.take()
        flat, size = buffer.reshape(-1), width * height
        return Canvas(
            buffer=buffer,
            y=flat[:size].reshape(height, width),
            u=flat[size : size * 5 // 4].reshape(height // 2, width // 2),
            v=flat[size * 5 // 4 :].reshape(height // 2, width // 2),
            frame_width=picture.width,
            frame_height=picture.height,
            matrix="bt601" if picture.format == "bgr24" else picture.matrix,
            tagged=picture.format == "bgr24" or picture.tagged,
        )

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
