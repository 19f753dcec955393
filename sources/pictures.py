"""PictureSource: picture files as a recorded source, one after the other at an even rate."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from contracts.errors import SourceError, UsageError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture, Pixels
from contracts.protocols import Losses
from contracts.text import counted
from sources.picturefiles import PictureAddress, read_picture

log = logging.getLogger(__name__)


class PictureSource:
    """Gives the pictures an address names, in natural order, in the size of the first one.

    start: seconds (at the address's rate) to leave out. loop: starts over after the last one; time and index go on.

    Another size is scaled to the first one's; another shape (a portrait among landscapes) keeps its proportions
    between black bars. Unreadable pictures are named in a warning, counted in ``losses``, and leave gaps in index and
    time. Raises SourceError when there is no picture that can be read, UsageError for a start that is no time.
    """

    def __init__(self, address: PictureAddress, uri: str, *, start: float = 0.0, loop: bool = False) -> None:
        if not math.isfinite(start) or start < 0:
            raise UsageError(f"cannot start at {start} s", "give 0 or more seconds, or h:mm:ss")
        self._loop, self._rate = loop, address.rate
        self._stopping = threading.Event()
        self._lost = 0
        self._warned: set[Path | None] = set()
        files = address.files()
        skipped = math.ceil(Fraction(str(start)) * address.rate)
        if skipped >= len(files):
            length = f"{counted(len(files), 'picture')} at {float(address.rate):g} per second"
            raise SourceError(f"{uri} gives no frame from {start:g} s on", f"it is {length}")
        self._files = files[skipped:]
        self._first, pixels = self._first_readable(uri)
        self._next: Pixels | None = pixels
        height, width = pixels.shape[:2]
        self._info = SourceInfo(
            id=address.id,
            uri=uri,
            width=width,
            height=height,
            rate=address.rate,
            time_base=1 / address.rate,
            start=(skipped + self._first) / address.rate,
            frames=None if loop else len(self._files) - self._lost,
        )

    @property
    def info(self) -> SourceInfo:
        """What is known about the pictures; ``frames``: those that may be readable."""
        return self._info

    @property
    def losses(self) -> Losses:
        """Pictures that could not be read so far."""
        return Losses(lost=self._lost)

    def frames(self) -> Iterator[Frame]:
        """The pictures, once (or over and over). Raises SourceError when a loop finds no picture any more."""
        position, given = self._first, self._first
        while not self._stopping.is_set() and (self._loop or position < len(self._files)):
            pixels = self._take(self._files[position % len(self._files)])
            if pixels is not None:
                given = position
                yield self._frame(pixels, position - self._first)
            elif self._loop and position - given >= len(self._files):
                raise SourceError(f"no picture of {self._info.uri} can be read any more", "check that they are there")
            position += 1

    def close(self) -> None:
        """Ends ``frames()`` before its next picture; from any thread, as often as you like."""
        self._stopping.set()

    def _first_readable(self, uri: str) -> tuple[int, Pixels]:
        """Position of the first picture that can be read, and the picture."""
        if len(self._files) == 1:
            return 0, read_picture(self._files[0], partial(self._warn_once, self._files[0]))
        for position, path in enumerate(self._files):
            pixels = self._read(path)
            if pixels is not None:
                return position, pixels
        raise SourceError(f"not one of {len(self._files)} pictures of {uri} can be read", "copy or export them again")

    def _take(self, path: Path) -> Pixels | None:
        """The picture read ahead, or the next one from its file."""
        pixels, self._next = self._next, None
        return pixels if pixels is not None else self._read(path)

    def _read(self, path: Path) -> Pixels | None:
        try:
            return read_picture(path, partial(self._warn_once, path))
        except SourceError as fault:
            self._lost += 1
            self._warn_once(path, f"{fault.message}: skipped")
            return None

    def _warn_once(self, about: Path | None, what: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            log.warning("%s", what)

    def _frame(self, pixels: Pixels, index: int) -> Frame:
        size = (self._info.width, self._info.height)
        if pixels.shape[1::-1] != size:
            what = f"{self._info.id} holds pictures of several sizes: all are fitted into the first one's"
            self._warn_once(None, f"{what}, {size[0]}x{size[1]}")
            pixels = fitted(pixels, size)
        pts = Fraction(index) / self._rate
        return Frame(Picture.from_bgr(pixels), index, pts, time.monotonic_ns(), self._info)


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """BGR pixels scaled into ``size`` (width, height) in their own proportions, centred between black bars."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if inner != size:
        canvas = np.zeros((size[1], size[0], 3), np.uint8)
        left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        canvas[top : top + inner[1], left : left + inner[0]] = scaled
        scaled = canvas
    scaled.flags.writeable = False
    return np.asarray(scaled, np.uint8)
