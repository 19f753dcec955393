"""StandardInput: what is piped into the program, as the file object a container is read from."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Callable

from contracts.errors import SourceError, UsageError

_WAIT_S = 0.1
"""Seconds after which somebody who waits for bytes looks whether the run was stopped."""


class StandardInput:
    """Reads standard input without ever being stuck in it. One thread at a time.

    Raises UsageError where it is a terminal, SourceError where it is closed.
    """

    def __init__(self) -> None:
        try:
            self._descriptor = sys.stdin.fileno()
        except (AttributeError, ValueError, io.UnsupportedOperation) as fault:  # None without a console, or replaced
            raise SourceError("standard input is closed", "pipe a video in: cat clip.mp4 | run_stream.py -") from fault
        if os.isatty(self._descriptor):
            raise UsageError("standard input is a terminal", "pipe a video in: cat clip.mp4 | run_stream.py -")
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.stopped: Callable[[], bool] = lambda: False
        """Asked while there is nothing to read; once it says so, the input is at its end."""
        self.interrupted = False
        """Whether Ctrl-C came while bytes were awaited. PyAV swallows what is no ``Exception``, so it is kept here."""
        self.empty = True
        """Whether not one byte has come."""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, as soon as there are some; none at the end."""
        try:
            while not (self.interrupted or self._is_ready()):
                if self.stopped():
                    return b""
        except KeyboardInterrupt:
            self.interrupted = True
        if self.interrupted:
            return b""
        data = os.read(self._descriptor, size)
        self.empty = self.empty and not data
        return data

    def _is_ready(self) -> bool:
        if sys.platform == "win32":  # select knows sockets only; there reading waits
            return True
        return bool(select.select([self._descriptor], [], [], _WAIT_S)[0])

    def seekable(self) -> bool:
        """Whether it is a file (``run_stream.py - < clip.mp4``), whose index may lie at its end."""
        return self._is_file

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Like ``io.IOBase.seek``."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """Like ``io.IOBase.tell``."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def check_interrupted(self) -> None:
        """Raises KeyboardInterrupt where one was kept."""
        if self.interrupted:
            raise KeyboardInterrupt
