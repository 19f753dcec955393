"""Maps of classes in PNG: the numbers as they are written, whether the file calls them greys or colours of a palette.

OpenCV turns a palette into its colours. So the file is handed to it as if it were grey: with the colour type of its
header changed and the palette left out, the very numbers come out, and libpng's own checks stay.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from contracts.errors import SourceError
from contracts.picture import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
"""Of IHDR: width, height, bits per sample, colour type, compression, filter, interlacing."""
_GREY, _PALETTE = 0, 3
_COLOURS = {2: "RGB", 4: "grey with alpha", 6: "RGB with alpha"}


def read_ids(path: Path) -> tuple[Pixels, list[int]]:
    """(uint8 (H, W) of a grey or palette PNG, its palette as r, g, b, r … or nothing). Raises SourceError."""
    try:
        data = path.read_bytes()
        chunks = list(_chunks(data))
        (kind, header), *rest = chunks
        if kind != b"IHDR":
            raise ValueError(kind)
        width, height, bits, colour, *others = _HEADER.unpack(header)
    except (OSError, ValueError, struct.error) as fault:
        raise SourceError(f"cannot read {path}", "mend or remove it; it has to be a whole PNG") from fault
    if colour not in (_GREY, _PALETTE) or bits > 8:
        what = _COLOURS.get(colour, f"{bits} bit")
        raise SourceError(f"{path} is no map of classes: its pixels are {what}", "write it as 8 bit grey")
    grey = _chunk(b"IHDR", _HEADER.pack(width, height, bits, _GREY, *others))
    pixels = b"".join(_chunk(kind, content) for kind, content in rest if kind in (b"IDAT", b"IEND"))
    ids = _decoded(_SIGNATURE + grey + pixels)
    if ids is None or ids.shape != (height, width):
        raise SourceError(f"cannot read {path}", "mend or remove it; it has to be a whole PNG")
    if bits < 8 and (colour == _PALETTE or bits == 1):
        ids = ids // np.uint8(255 // (2**bits - 1))  # OpenCV spreads few bits over the whole range of grey
    palette = next((content for kind, content in rest if kind == b"PLTE"), b"") if colour == _PALETTE else b""
    return np.asarray(ids, np.uint8), list(palette)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) up to IEND. Raises ValueError, struct.error where the file is no PNG, damaged or cut off."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + length]
        (said,) = struct.unpack_from(">I", data, place + 8 + length)
        if zlib.crc32(kind + content) != said:
            raise ValueError(f"{kind!r} is damaged")
        yield kind, content
        place += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _decoded(data: bytes) -> Pixels | None:
    """uint8 (H, W); None where it cannot be."""
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, MemoryError):
        return None
    return None if found is None else np.asarray(found, np.uint8)
