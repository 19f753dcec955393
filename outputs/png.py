"""PNG of one byte per pixel: grey values, or ids with a palette (which OpenCV does not write)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _INDEXED = 0, 3  # colour types of the PNG specification (ISO/IEC 15948), section 11.2.2
_LEVEL = 3  # of zlib: masks are a few long runs, more effort gains little


def png(pixels: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]] = ()) -> bytes:
    """uint8 (height, width) as a file. palette: BGR colour per value, 256 at most; none: the values are grey."""
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter; 0 is none
    rows[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED if palette else _GREY, 0, 0, 0)
    colours = b"".join(bytes((red, green, blue)) for blue, green, red in palette)
    chunks = [_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows.data, _LEVEL)), _chunk(b"IEND", b"")]
    if colours:
        chunks.insert(1, _chunk(b"PLTE", colours))
    return _SIGNATURE + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
