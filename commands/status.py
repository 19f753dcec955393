"""The one line of a terminal that is rewritten (progress), and lines that come in between, from any thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TextIO

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
