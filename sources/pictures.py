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
from typing import Protocol

from contracts.errors import SourceError, UsageError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture, Pixels
from contracts.prediction import Prediction
from contracts.protocols import Losses
from contracts.text import counted
from sources.picturefiles import read_picture
from sources.shaping import fitted

log = logging.getLogger(__name__)


class Roll(Protocol):
    """Which pictures a source gives."""

    @property
    def id(self) -> str:
        """Short name, used in file names and events."""

    @property
    def rate(self) -> Fraction:
        """Pictures per second."""

    def files(self) -> list[Path]:
        """The pictures in their order, at least one. Raises SourceError."""


class Labels(Protocol):
    """What is known of each picture."""

    def truth(self, path: Path, pixels: Pixels, size: tuple[int, int]) -> Prediction | None:
        """The labels of a picture, fitted with it into ``size`` (width, height); None: it has none, or broken ones."""


class PictureSource:
    """Gives the pictures of a roll in its order, in the size of the first one.

    start: seconds (at the roll's rate) to leave out. loop: starts over after the last one; time and index go on.
    labels: where ``Frame.truth`` comes from; None: there is none.

    Another size is scaled to the first one's; another shape (a portrait among landscapes) keeps its proportions
    between black bars. Unreadable pictures are named in a warning, counted in ``losses``, and leave gaps in index and
    time. Raises SourceError when there is no picture that can be read, UsageError for a start that is no time.
    """

    def __init__(
        self, roll: Roll, uri: str, *, start: float = 0.0, loop: bool = False, labels: Labels | None = None
    ) -> None:
        if not math.isfinite(start) or start < 0:
            raise UsageError(f"cannot start at {start} s", "give 0 or more seconds, or h:mm:ss")
        self._loop, self._rate, self._labels = loop, roll.rate, labels
        self._stopping = threading.Event()
        self._lost = 0
        self._warned: set[Path | None] = set()
        files = roll.files()
        skipped = math.ceil(Fraction(str(start)) * roll.rate)
        if skipped >= len(files):
            length = f"{counted(len(files), 'picture')} at {float(roll.rate):g} per second"
            raise SourceError(f"{uri} gives no frame from {start:g} s on", f"it is {length}")
        self._files = files[skipped:]
        self._first, pixels = self._first_readable(uri)
        self._next: Pixels | None = pixels
        height, width = pixels.shape[:2]
        self._info = SourceInfo(
            id=roll.id,
            uri=uri,
            width=width,
            height=height,
            rate=roll.rate,
            time_base=1 / roll.rate,
            start=(skipped + self._first) / roll.rate,
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
            path = self._files[position % len(self._files)]
            pixels = self._take(path)
            if pixels is not None:
                given = position
                yield self._frame(path, pixels, position - self._first)
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

    def _frame(self, path: Path, pixels: Pixels, index: int) -> Frame:
        size = (self._info.width, self._info.height)
        truth = self._labels.truth(path, pixels, size) if self._labels is not None else None
        if pixels.shape[1::-1] != size:
            what = f"{self._info.id} holds pictures of several sizes: all are fitted into the first one's"
            self._warn_once(None, f"{what}, {size[0]}x{size[1]}")
            pixels = fitted(pixels, size)
        pts = Fraction(index) / self._rate
        return Frame(Picture.from_bgr(pixels), index, pts, time.monotonic_ns(), self._info, truth)
