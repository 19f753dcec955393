"""SyntheticSource: the drive as a recorded source, with the truth beside every frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction

from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture, Pixels
from contracts.prediction import Prediction
from contracts.protocols import Losses
from sources.synthetic.address import Address
from sources.synthetic.drive import SyntheticDrive


class SyntheticSource:
    """``synthetic:LOOK?seed=7&size=1280x720&seconds=20&fps=30``; LOOK is highway, city, night or rain.

    Raises UsageError for an unknown look or option and for numbers out of bounds. Never waits, never loses a frame.
    """

    def __init__(self, uri: str) -> None:
        address = Address.parse(uri)
        self._drive = SyntheticDrive(address.look, address.seed, (address.width, address.height), address.fps)
        self._count, self._fps = address.frames, address.fps
        self._info = SourceInfo(
            id="synthetic",
            uri=str(address),
            width=address.width,
            height=address.height,
            rate=address.fps,
            time_base=1 / address.fps,
            frames=address.frames,
        )
        self._first = self._drive.render(0)
        self._closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        """What is known about the drive; exact."""
        return self._info

    @property
    def losses(self) -> Losses:
        """Always none."""
        return Losses()

    def frames(self) -> Iterator[Frame]:
        """The drive from its first frame to its last, or until ``close()``; ``truth`` is described in ``truth.py``."""
        for index in range(self._count):
            if self._closed.is_set():
                return
            pixels, truth = self._first if index == 0 else self._drive.render(index)
            yield self._frame(index, pixels, truth)

    def _frame(self, index: int, pixels: Pixels, truth: Prediction) -> Frame:
        pts = Fraction(index) / self._fps
        return Frame(Picture.from_bgr(pixels), index, pts, time.monotonic_ns(), self._info, truth)

    def close(self) -> None:
        """Ends ``frames()`` before its next frame; from any thread, as often as you like."""
        self._closed.set()
