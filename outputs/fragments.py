"""Cuts a fragmented MP4 back to its last whole fragment, so that a half-written one does not stop players."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">I4s")  # size with header, kind (ISO/IEC 14496-12, 4.2)
_LONG = struct.Struct(">Q")


def cut_to_whole_fragments(path: Path) -> int:
    """Truncates ``path`` behind its last whole fragment; returns its new length, 0 without one. Raises OSError."""
    length = length_of_whole_fragments(path)
    os.truncate(path, length)
    return length


def length_of_whole_fragments(path: Path) -> int:
    """Bytes up to the end of the last ``mdat`` box that is all there, 0 without one. Raises OSError.

    A recording that was closed already is one ``mdat`` with its only ``moov`` behind it, which counts. Top-level boxes
    only, so the time does not depend on the file's length in seconds.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        whole = position = 0
        indexed = False
        while True:
            kind, size = _box(file, position)
            if size == 0 or position + size > length:
                break
            position += size
            if kind == b"mdat" or (kind == b"moov" and whole and not indexed):
                whole = position
            indexed = indexed or kind == b"moov"
        return whole


def _box(file: BinaryIO, position: int) -> tuple[bytes, int]:
    """Kind and size of the box at ``position``; size 0 where there is none."""
    file.seek(position)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return b"", 0
    size, kind = _HEADER.unpack(header)
    if size != 1:
        return kind, size if size >= _HEADER.size else 0
    long = file.read(_LONG.size)
    return (kind, _LONG.unpack(long)[0]) if len(long) == _LONG.size else (b"", 0)
