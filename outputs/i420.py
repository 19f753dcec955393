"""Picture → the frame an encoder takes: yuv420p, limited range, even size; without a copy where memory allows."""

from __future__ import annotations

import av
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from contracts.picture import Picture

_LIMITED_RANGE, _FULL_RANGE, _BT709 = 1, 2, 1  # FFmpeg's AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG, AVCOL_SPC_BT709


def even_size(width: int, height: int) -> tuple[int, int]:
    """The size in which a picture is encoded: half-resolution chroma needs even sides, an odd one grows by one."""
    return width + width % 2, height + height % 2


def encodable(picture: Picture, size: tuple[int, int]) -> av.VideoFrame:
    """``picture`` as a yuv420p frame of ``size`` (width, height; even), with a pts and picture type of its own.

    One contiguous I420 buffer (Y, then U, then V) is wrapped, not copied: FFmpeg counts a reference to the array,
    so the memory goes back to its pool only when the encoder has let go of it. Padded or separate planes are
    copied (a frame that came from a decoder is shared with others and keeps its own pts). Full range, other formats
    and other sizes are converted by swscale. An odd side repeats its last row or column.
    """
    if picture.format != "yuv420p" or picture.full_range:
        return _converted(picture, size)
    if even_size(picture.width, picture.height) != size:
        return _copied(picture).reformat(*size, interpolation="BILINEAR")
    buffer = _contiguous(picture)
    return _copied(picture) if buffer is None else av.VideoFrame.from_numpy_buffer(buffer, "yuv420p")


def _converted(picture: Picture, size: tuple[int, int]) -> av.VideoFrame:
    """By swscale; BGR becomes BT.709 (the caller tags it so), YUV keeps its matrix."""
    return picture.av_frame().reformat(
        *size,
        format="yuv420p",
        dst_colorspace=_BT709 if picture.format == "bgr24" else None,
        src_color_range=_FULL_RANGE if picture.full_range else None,
        dst_color_range=_LIMITED_RANGE,
        interpolation="BILINEAR",
    )


def _contiguous(picture: Picture) -> NDArray[np.uint8] | None:
    """The three planes as one array (height · 3/2, width) where they lie one after the other, else None.

    None too where the height is no multiple of four: PyAV 18 takes such an array for a lower picture (270 rows for
    268), with its chroma in the wrong place.
    """
    luma, *chroma = picture.planes
    height, width = luma.shape
    if width % 2 or height % 4 or not all(plane.flags.c_contiguous for plane in picture.planes):
        return None
    end = luma.ctypes.data + luma.nbytes
    for plane in chroma:
        if plane.ctypes.data != end or plane.base is None or plane.base is not luma.base:
            return None
        end += plane.nbytes
    return as_strided(luma, (height * 3 // 2, width), (width, 1), writeable=False)


def _copied(picture: Picture) -> av.VideoFrame:
    """The planes in a frame of our own, of even size."""
    frame = av.VideoFrame(*even_size(picture.width, picture.height), "yuv420p")
    for source, plane in zip(picture.planes, frame.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        height, width = source.shape
        rows[:height, :width] = source
        rows[:height, width : plane.width] = source[:, -1:]
        rows[height : plane.height, : plane.width] = rows[height - 1, : plane.width]
    return frame
