"""A file that grows by whole blocks of lines, of CSV for example."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from io import FileIO


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as lines of CSV; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


class WholeLines:
    """What was cut off by a full disk is taken back. length: bytes the (unbuffered) file has already."""

    def __init__(self, file: FileIO, length: int = 0) -> None:
        self._file = file
        self._length = length

    def append(self, text: str) -> None:
        """Writes all of ``text`` or nothing of it. Raises OSError."""
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        length = self._length + len(left)
        try:
            while left:  # a raw file may take less than it is given
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._length)
            raise
        self._length = length

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
