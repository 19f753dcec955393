"""How many pictures a TIFF holds; OpenCV decodes the first one and says nothing of the others."""

from __future__ import annotations

import struct
from typing import Literal

_KIND_TAG, _SMALLER_COPY = 254, 1
"""NewSubfileType and its bit for a smaller copy of another page (TIFF 6.0, section 8)."""


def pages(data: bytes) -> int:
    """Pages of a TIFF, smaller copies (thumbnails) left out; 1 for what is none or cannot be followed."""
    order: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
    sign = order.get(data[:2])
    try:
        if sign is None:
            return 1
        big = struct.unpack_from(f"{sign}H", data, 2)[0] == 43  # BigTIFF: 64-bit counts and offsets
        return max(1, _counted(data, sign, big))
    except (struct.error, OverflowError):  # cut off: what can be decoded is for the decoder to find out
        return 1


def _counted(data: bytes, sign: str, big: bool) -> int:
    offsets, counts, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    (place,) = struct.unpack_from(f"{sign}{offsets}", data, 8 if big else 4)
    found, been, looked = 0, {0}, 0
    while place not in been:  # a damaged file may lead in circles
        been.add(place)
        (entries,) = struct.unpack_from(f"{sign}{counts}", data, place)
        looked += entries
        if looked * entry > len(data):  # pages that lie over one another: a small file could keep us busy for hours
            return 1
        first = place + struct.calcsize(f"{sign}{counts}")
        found += not any(_is_smaller_copy(data, sign, first + number * entry, entry) for number in range(entries))
        (place,) = struct.unpack_from(f"{sign}{offsets}", data, first + entries * entry)
    return found


def _is_smaller_copy(data: bytes, sign: str, place: int, entry: int) -> bool:
    (tag,) = struct.unpack_from(f"{sign}H", data, place)
    (kind,) = struct.unpack_from(f"{sign}I", data, place + (12 if entry == 20 else 8))
    return bool(tag == _KIND_TAG and kind & _SMALLER_COPY)
