"""Picture: pixels in memory in the form they arrived, converted at most once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

Pixels = NDArray[np.uint8]
PixelFormat = Literal["bgr24", "yuv420p", "nv12"]
ColourMatrix = Literal["bt601", "bt709", "bt2020"]

_FORMATS: dict[str, PixelFormat] = {"yuv420p": "yuv420p", "yuvj420p": "yuv420p", "nv12": "nv12", "bgr24": "bgr24"}
LUMA_WEIGHTS: dict[ColourMatrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Weights of red and blue in luma: ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance)."""

# FFmpeg's AVColorSpace and AVColorRange numbers (libavutil/pixfmt.h).
_MATRIX_OF_COLORSPACE: dict[int, ColourMatrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
_COLORSPACE_OF_MATRIX: dict[ColourMatrix, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_FULL_RANGE, _LIMITED_RANGE = 2, 1
_TOO_LARGE = 2**31
"""What (8 · width + 1024) · (height + 128) has to stay below in FFmpeg (libavutil/imgutils.c): 16384×16384 does not."""
_BAND = 1024
"""Rows, even."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Picture:
    """One picture. Read-only for everybody but its maker.

    ``planes`` (all uint8, possibly padded views, never written by others):
      bgr24    one array (height, width, 3)
      yuv420p  Y (height, width), U and V (ceil(height/2), ceil(width/2))
      nv12     Y (height, width), interleaved UV (ceil(height/2), ceil(width/2), 2)
    ``matrix`` and ``full_range`` say how YUV means colour; bgr24 ignores them.
    ``owner`` keeps the memory behind the planes alive (an av.VideoFrame, a pool's lease).
    """

    format: PixelFormat
    planes: tuple[Pixels, ...]
    matrix: ColourMatrix = "bt601"
    full_range: bool = False
    tagged: bool = False
    """Whether the stream itself named its matrix (untagged YUV is read as BT.601, like FFmpeg and OpenCV do)."""
    owner: Any = None
    _bgr: Pixels | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.planes[0].shape[0])

    @classmethod
    def from_bgr(cls, pixels: Pixels) -> Picture:
        """Wrap a (height, width, 3) uint8 BGR array without copying it."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"a BGR picture is uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}")
        return cls("bgr24", (pixels,))

    @classmethod
    def from_av(cls, frame: av.VideoFrame) -> Picture:
        """Wrap a decoded frame; other formats than yuv420p, nv12 and bgr24 are converted once by swscale."""
        known = _FORMATS.get(frame.format.name)
        full = frame.format.name == "yuvj420p" or int(frame.color_range or 0) == _FULL_RANGE
        if known is None:
            frame = frame.reformat(format="yuv420p", dst_color_range=_LIMITED_RANGE)
            known, full = "yuv420p", False
        colorspace = int(frame.colorspace or 0)
        planes = _views(frame, known)
        for plane in planes:
            plane.flags.writeable = False
        return cls(
            format=known,
            planes=planes,
            matrix=_MATRIX_OF_COLORSPACE.get(colorspace, "bt601"),
            full_range=full,
            tagged=colorspace in _MATRIX_OF_COLORSPACE,
            owner=frame,
        )

    def av_frame(self) -> av.VideoFrame:
        """The picture as an av.VideoFrame: the decoder's own where it came from there, else a copy."""
        import av

        if isinstance(self.owner, av.VideoFrame):
            return self.owner
        frame = av.VideoFrame(self.width, self.height, self.format)
        for view, plane in zip(_views(frame, self.format), self.planes, strict=True):
            np.copyto(view, plane)
        if self.format != "bgr24":
            frame.colorspace = _COLORSPACE_OF_MATRIX[self.matrix]
            frame.color_range = _FULL_RANGE if self.full_range else _LIMITED_RANGE
        return frame

    def bgr(self) -> Pixels:
        """The picture as (height, width, 3) uint8 BGR, read-only; converted once and remembered."""
        with self._lock:
            if self._bgr is None:
                pixels = self.planes[0] if self.format == "bgr24" else self._converted()
                self._bgr = pixels.view()
                self._bgr.flags.writeable = False
            return self._bgr

    def _converted(self) -> Pixels:
        """YUV as a new BGR array: whole, or in bands where it has more pixels than FFmpeg takes in one."""
        if ffmpeg_takes(self.width, self.height):
            return np.asarray(self.av_frame().to_ndarray(format="bgr24"), np.uint8)
        pixels = np.empty((self.height, self.width, 3), np.uint8)
        for top in range(0, self.height, _BAND):
            rows, half = slice(top, top + _BAND), slice(top // 2, (top + _BAND) // 2)
            planes = (self.planes[0][rows], *(plane[half] for plane in self.planes[1:]))
            band = Picture(self.format, planes, self.matrix, self.full_range)
            pixels[rows] = band.av_frame().to_ndarray(format="bgr24")
        return pixels


def ffmpeg_takes(width: int, height: int) -> bool:
    """Whether FFmpeg handles a picture of this size in one piece."""
    return (width * 8 + 1024) * (height + 128) < _TOO_LARGE


def _views(frame: av.VideoFrame, name: PixelFormat) -> tuple[Pixels, ...]:
    """The planes of a frame as arrays over its own memory (rows are padded to the plane's line size)."""
    views: list[Pixels] = []
    for index, plane in enumerate(frame.planes):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]
        if name == "bgr24":
            views.append(rows[:, : plane.width * 3].reshape(plane.height, plane.width, 3))
        elif name == "nv12" and index == 1:
            views.append(rows[:, : plane.width * 2].reshape(plane.height, plane.width, 2))
        else:
            views.append(rows[:, : plane.width])
    return tuple(views)
