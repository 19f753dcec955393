"""Sources whose faults are chosen by the test, under URIs of their own: ``fake:NAME``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from contracts.errors import SourceError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.protocols import Losses, Source
from sources import open as opening


class ListedSource:
    """Frames of a grey of their own; recorded unless ``live``; paced where a pause is given; may fail at one.

    picture: makes that of an index.
    """

    def __init__(
        self,
        name: str,
        count: int = 20,
        *,
        live: bool = False,
        pause_s: float = 0,
        fail_at: int | None = None,
        size: tuple[int, int] = (160, 120),
        rate: int = 25,
        picture: Callable[[int], Picture] | None = None,
    ) -> None:
        self.info = SourceInfo(
            name, f"fake:{name}", *size, Fraction(rate), Fraction(1, rate), live=live, frames=None if live else count
        )
        self.losses = Losses()
        self.closed = threading.Event()
        self.given = 0
        self._count, self._pause_s, self._fail_at = count, pause_s, fail_at
        self._picture = picture or self._grey

    def _grey(self, index: int) -> Picture:
        return Picture.from_bgr(np.full((self.info.height, self.info.width, 3), index * 5 % 256, np.uint8))

    def frames(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self.closed.wait(self._pause_s) if self._pause_s else self.closed.is_set():
                return
            if index == self._fail_at:
                raise SourceError("the cable was pulled", "plug it in")
            self.given += 1
            yield Frame(self._picture(index), index, index * self.info.time_base, time.monotonic_ns(), self.info)

    def close(self) -> None:
        self.closed.set()


Opener = Callable[[], Source]


def fake(patch: pytest.MonkeyPatch, **openers: Opener) -> None:
    """``fake:NAME`` (and ``live:NAME``, known to be live before it is open) is what the opener of that name gives."""

    def opened(asked: opening._Asked) -> Source:
        return openers[asked.uri.partition(":")[2]]()

    kind = opening._Kind(opened)
    patch.setitem(opening._KINDS, "fake", kind)
    patch.setitem(opening._KINDS, "live", replace(kind, is_live=True))
