"""What a run and the process of its window tell each other: lines over pipes, pixels in memory both have mapped.

The memory is a file without a name, so nothing of it can stay behind, however either of the two ends.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from contracts.picture import ColourMatrix, Picture, PixelFormat, Pixels

_SLOTS = 3  # one picture is seen, one waits for its turn, one is being written


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture in the memory, from the run to the window: how to read it, and what it is called.

    width and height are those of its planes; of them ``seen`` (width, height) is the frame.
    """

    offset: int
    format: PixelFormat
    width: int
    height: int
    matrix: ColourMatrix
    full_range: bool
    seen: tuple[int, int]
    name: str

    def line(self) -> bytes:
        """As a line."""
        return _line(self)

    @classmethod
    def of(cls, line: bytes) -> Shown:
        """From a line."""
        data = json.loads(line)
        return cls(**{**data, "seen": tuple(data["seen"])})


@dataclass(frozen=True, slots=True)
class Word:
    """What the window tells the run.

    ready, failed (text: why): the display was opened, or not; free: the picture at ``offset`` is no longer needed;
    quit: somebody wants the end; paused, going: the space bar; saved (text: where), unsaved (text: why).
    """

    kind: Literal["ready", "failed", "free", "quit", "paused", "going", "saved", "unsaved"]
    text: str = ""
    offset: int = 0

    def line(self) -> bytes:
        """As a line."""
        return _line(self)

    @classmethod
    def of(cls, line: bytes) -> Word:
        """From a line."""
        return cls(**json.loads(line))


def _line(message: Any) -> bytes:
    return json.dumps(asdict(message)).encode() + b"\n"


class PictureMemory:
    """The run's side: room for three pictures, more where they grow. For one thread at a time. Raises OSError."""

    def __init__(self) -> None:
        self._file = _nameless_file()
        self._bytes = 0  # of a slot
        self._free: set[int] = set()
        self._begin = self._end = 0  # where the slots of this size lie in the file
        self._map: mmap.mmap | None = None

    @property
    def descriptor(self) -> int:
        """Of the file, for the other process."""
        return self._file

    def put(self, picture: Picture, seen: tuple[int, int], name: str) -> Shown | None:
        """Copies a picture in; None where there is no free slot."""
        size = sum(plane.size for plane in picture.planes)
        if size > self._bytes:
            self._grow(size)
        if not self._free:
            return None
        assert self._map is not None
        offset = self._free.pop()
        place = offset
        for plane in picture.planes:
            np.frombuffer(self._map, np.uint8, plane.size, place).reshape(plane.shape)[:] = plane
            place += plane.size
        return Shown(
            offset,
            picture.format,
            picture.width,
            picture.height,
            picture.matrix,
            picture.full_range,
            seen,
            name,
        )

    def give_back(self, offset: int) -> None:
        """A slot is free again; those of an earlier size are left alone."""
        if offset >= self._begin:
            self._free.add(offset)

    def _grow(self, size: int) -> None:
        step = mmap.ALLOCATIONGRANULARITY
        self._bytes = math.ceil(size / step) * step
        self._begin, self._end = self._end, self._end + _SLOTS * self._bytes
        os.ftruncate(self._file, self._end)
        self._map = mmap.mmap(self._file, self._end)
        self._free = set(range(self._begin, self._end, self._bytes))

    def close(self) -> None:
        """Frees it."""
        self._map = None  # its views are gone with the writes they were made for
        os.close(self._file)


class MappedPictures:
    """The window's side of a ``PictureMemory``."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._map: mmap.mmap | None = None

    def picture(self, shown: Shown) -> Picture:
        """The picture, in the shared memory itself: valid until its slot is given back."""
        shapes = list(_plane_shapes(shown))
        end = shown.offset + sum(math.prod(shape) for shape in shapes)
        if self._map is None or len(self._map) < end:
            self._map = mmap.mmap(self._file, os.fstat(self._file).st_size, prot=mmap.PROT_READ)
        planes: list[Pixels] = []
        place = shown.offset
        for shape in shapes:
            planes.append(np.frombuffer(self._map, np.uint8, math.prod(shape), place).reshape(shape))
            place += math.prod(shape)
        return Picture(shown.format, tuple(planes), shown.matrix, shown.full_range)


def _plane_shapes(shown: Shown) -> Iterator[tuple[int, ...]]:
    """As ``Picture.planes`` has them."""
    half = ((shown.height + 1) // 2, (shown.width + 1) // 2)
    yield (shown.height, shown.width, 3) if shown.format == "bgr24" else (shown.height, shown.width)
    if shown.format == "yuv420p":
        yield from (half, half)
    elif shown.format == "nv12":
        yield (*half, 2)


def _nameless_file() -> int:
    """A descriptor of memory without a name; where the system knows none, of a file that is unlinked already."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("roadstream-window")
    with tempfile.TemporaryFile(prefix="roadstream-window-") as file:
        return os.dup(file.fileno())
