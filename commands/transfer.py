"""The progress line of a download."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from commands.status import StatusLine
from contracts.text import clock

_BAR = 24


class TransferLine(StatusLine):
    """The progress of a download."""

    def __init__(
        self,
        name: str,
        *,
        quiet: bool,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(quiet=quiet, stream=stream)
        self._name = name
        self._now = now
        self._begin: tuple[float, int] | None = None
        self._next = 0.0

    def update(self, done: int, total: int | None) -> None:
        """``done`` bytes are there, of ``total`` where that is known; printed when it is time."""
        now = self._now()
        if self._begin is None or done < self._begin[1]:  # less than at the beginning: it starts again
            self._begin, self._next = (now, done), now + (0 if self._terminal else self._every)
        if self._quiet or now < self._next:
            return
        self._next = now + self._every
        since, first = self._begin
        rate = (done - first) / (now - since) if now > since else 0.0
        self._write(transfer_text(self._name, done, total, rate))


def transfer_text(name: str, done: int, total: int | None, rate: float) -> str:
    """``yolop [████········] 12.1/35.9 MB · 4.2 MB/s · 6 s left``. rate: bytes per second."""
    megabytes = f"{done / 1e6:.1f}"
    if not total:
        return f"{name} {megabytes} MB · {rate / 1e6:.1f} MB/s"
    filled = min(_BAR, _BAR * done // total)
    words = [f"{name} [{'█' * filled}{'·' * (_BAR - filled)}] {megabytes}/{total / 1e6:.1f} MB"]
    if rate > 0:
        words += [f"{rate / 1e6:.1f} MB/s", f"{clock((total - done) / rate)} left"]
    return " · ".join(words)
