"""The one line of a terminal that is rewritten (progress), and lines that come in between, from any thread."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TextIO

from contracts.secrets import redact
from contracts.text import one_line

_TERMINAL_EVERY_S = 0.2
_FILE_EVERY_S = 10.0
_EARLY_S = 1.0  # whoever waits for something that long is told in a file, too
_JOIN_S = 2.0
_lock = threading.RLock()  # a signal's handler may say something while its thread writes here
_seen: tuple[TextIO, int] | None = None  # where the line stands now, and how wide it is


def rewrite(stream: TextIO, text: str) -> None:
    """Put ``text`` in the place of the line on a terminal; "" takes the line away. Raises OSError."""
    global _seen  # noqa: PLW0603  # there is one terminal
    with _lock:
        if not text and _seen is None:
            return
        width = _seen[1] if _seen is not None else 0
        stream.write("\r" + text.ljust(width) + ("" if text else "\r"))
        stream.flush()
        _seen = (stream, len(text)) if text else None


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Print lines of another kind in this block: the status line goes, and comes again when it is next written."""
    with _lock:
        if _seen is not None:
            with contextlib.suppress(OSError, ValueError):
                rewrite(_seen[0], "")
        yield


class StatusLine:
    """One line that is rewritten on a terminal, a line every ten seconds elsewhere, nothing with ``quiet``."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every = _TERMINAL_EVERY_S if self._terminal else _FILE_EVERY_S
        self._quiet = quiet

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            with contextlib.suppress(OSError):
                rewrite(self._stream, "")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full or closed stderr is no reason to stop
            if self._terminal:
                rewrite(self._stream, _fitting(text, self._stream))
            else:
                self._stream.write(text + "\n")
                self._stream.flush()


class TickingLine(StatusLine, ABC):
    """A line that is kept up to date by a thread of its own, whether anything happens or not."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        super().__init__(quiet=quiet, stream=stream)
        self._over = threading.Event()
        self._ticking = threading.Thread(target=self._tick, name="progress", daemon=True)

    @abstractmethod
    def text(self) -> str:
        """What there is to say now; "" for nothing."""

    @abstractmethod
    def early_text(self) -> str:
        """What is said after the first second where a line comes every ten; "" for nothing."""

    def start(self) -> None:
        """Begin to write."""
        if not self._quiet:
            self._ticking.start()

    def end(self) -> None:
        """Leave the line; nothing is written any more."""
        self._over.set()
        if self._ticking.ident is not None:
            self._ticking.join(_JOIN_S)  # it may hang in a terminal that somebody has stopped
        super().end()

    def _tick(self) -> None:
        if not self._terminal and not self._over.wait(_EARLY_S):
            self._say(self.early_text())
        while not self._over.wait(self._every):
            self._say(self.text())

    def _say(self, text: str) -> None:
        with _lock:
            if text and not self._over.is_set():
                self._write(one_line(redact(text)))


def _fitting(text: str, terminal: TextIO) -> str:
    """As much of it as stands in one line of the terminal: one that is wrapped cannot be rewritten."""
    try:
        width = os.get_terminal_size(terminal.fileno()).columns
    except (OSError, ValueError):  # no terminal of the system's
        width = 0
    return text if not width or len(text) < width else text[: max(width - 2, 0)] + "…"
