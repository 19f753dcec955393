"""The one line of a terminal that is rewritten (progress), and lines that come in between, from any thread."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_TERMINAL_EVERY_S = 0.2
_FILE_EVERY_S = 10.0
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
                rewrite(self._stream, text)
            else:
                self._stream.write(text + "\n")
                self._stream.flush()
