"""The tables of a folder of findings: lines that are only ever appended, read again by the next run into the folder."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.sizes import SIZE_COLUMNS
from outputs.frame_folder import FrameFolder
from outputs.whole_lines import WholeLines, csv_lines

FINDING = (
    *("source", "index", "pts", "time", "head", "class", "class_id", "score", "track", "x1", "y1", "x2", "y2"),
    *("shape", "area_px", "length_px", "width_px", "crop"),
)
"""Columns of ``findings.csv``; new ones are added behind. ``SIZE_COLUMNS`` follow once a run into the folder had a
source that knows its camera's intrinsics; empty where a size is not known.

index: of the frame. pts: seconds since the source's first frame; time: the same as h:mm:ss.mmm. track: empty where no
tracker ran or is not sure yet. x1 … y2, and all that ends in _px: pixels of the frame. shape: "mask" or "box", what
area_px is the area of. length_px: of the mask's centre lines, all branches together; width_px: area over length; both
empty for boxes. crop: the picture, a path in the folder.
"""
FRAME = ("source", "index", "pts", "findings", "heads")
"""Columns of ``frames.csv``. findings: how many; heads: those that looked at the frame, with | between them."""
_WHOLE, _MEASURED = ("index", "track"), ("score", "area_px", "length_px", "width_px", *SIZE_COLUMNS)
"""Columns that a run reads again as numbers; all but index and score may be empty."""
_SIZED = FINDING + SIZE_COLUMNS
_HEADINGS = {"frames.csv": (FRAME,), "findings.csv": (FINDING, _SIZED)}
_Row = dict[str, str]


class FindingsTables:
    """Both tables. ``open`` once, ``append`` per frame, ``close``; then they can be read."""

    def __init__(self, folder: FrameFolder, *, overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite
        self._files = {name: folder.path / name for name in ("findings.csv", "frames.csv")}
        self._lines: dict[str, WholeLines] = {}
        self._known: set[tuple[str, int]] = set()
        self._best: dict[tuple[str, str, int], float] = {}
        self._finding: tuple[str, ...] = FINDING  # the columns
        self.opened = self.broken = False

    def open(self, sources: Sequence[SourceInfo], *, sized: bool = False) -> None:
        """Reads what earlier runs left, takes back what a killed one did not finish. Raises OutputError.

        sized: the table has, or gets, columns for sizes.
        """
        ours = {cell(source.id) for source in sources}
        live = {cell(source.id): source.id for source in sources if source.live}
        dropped = ours if self._overwrite else set()
        for row in self.frames():
            if row["source"] in live and not self._overwrite:
                raise OutputError(
                    f"{self._folder.path} holds findings of another run of {live[row['source']]!r}",
                    "give each run a folder",
                )
            if row["source"] not in dropped:
                self._known.add(_frame_of(row))
        kept: set[str] = set()
        gone: set[str] = set()
        for row in self.findings():
            sized = sized or SIZE_COLUMNS[0] in row
            if _frame_of(row) not in self._known:
                gone.add(row["crop"])
                continue
            kept.add(row["crop"])
            if row["track"]:
                key = (row["source"], row["head"], int(row["track"]))
                self._best[key] = max(float(row["score"]), self._best.get(key, 0.0))
        self._remove_crops(gone - kept)
        self._begin("frames.csv", FRAME)
        self._finding = _SIZED if sized else FINDING
        self._begin("findings.csv", self._finding)
        self.opened = True

    def wants(self, frame: Frame) -> bool:
        """Whether a frame is not in the tables yet; one that is is counted as left alone."""
        wanted = (cell(frame.source.id), frame.index) not in self._known
        self._folder.left_alone += not wanted
        return wanted

    def is_best(self, frame: Frame, head: str, track: int | None, score: float) -> bool:
        """Whether no finding of this track had such a score so far (from now on one has); without a track: True."""
        if track is None:
            return True
        key = (cell(frame.source.id), head, track)
        if key in self._best and self._best[key] >= score:
            return False
        self._best[key] = score
        return True

    def append(self, frame: Frame, heads: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
        """Writes the findings of a frame, then the frame: one without its own line was not finished."""
        pts = round(float(frame.pts), 6)
        where = {"source": cell(frame.source.id), "index": frame.index, "pts": pts}
        found = [{**where, "time": _time(pts), **row} for row in rows]
        self._write("findings.csv", csv_lines([row.get(name) for name in self._finding] for row in found))
        looked = {"findings": len(rows), "heads": "|".join(cell(head) for head in heads)}
        self._write("frames.csv", csv_lines([[(where | looked)[name] for name in FRAME]]))

    def close(self) -> None:
        """Closes the files."""
        for lines in self._lines.values():
            lines.close()
        self._lines.clear()

    def frames(self) -> Iterator[_Row]:
        """The rows of ``frames.csv``, one after the other. Raises OutputError."""
        return self._rows("frames.csv")

    def findings(self) -> Iterator[_Row]:
        """The rows of ``findings.csv``, one after the other: there may be millions. Raises OutputError."""
        return self._rows("findings.csv")

    def _rows(self, name: str) -> Iterator[_Row]:
        """The whole lines of a table as rows; none where there is no table."""
        file = self._files[name]
        try:
            with file.open("rb") as lines:
                rows = csv.DictReader(line.decode() for line in lines if line.endswith(b"\n"))
                if rows.fieldnames is not None and tuple(rows.fieldnames) not in _HEADINGS[name]:
                    raise _strange(file)
                for row in rows:
                    if not _is_whole(row):
                        raise _strange(file)
                    yield row
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, csv.Error) as fault:
            raise OutputError(f"{file} cannot be read: {fault}", "mend it or give another folder") from fault

    def _begin(self, name: str, columns: Sequence[str]) -> None:
        """Opens a table for appending, with exactly the rows of known frames in it. Raises OutputError."""
        file = self._files[name]
        known = ([row.get(one) for one in columns] for row in self._rows(name) if _frame_of(row) in self._known)
        lines = (csv_lines([row]).encode("utf-8", "backslashreplace") for row in chain([columns], known))
        self._folder.put(file, lines, replace=True)
        try:
            self._lines[name] = WholeLines(file.open("ab", buffering=0), file.stat().st_size)
        except OSError as fault:
            raise self._folder.fault(file, fault) from fault

    def _write(self, name: str, text: str) -> None:
        try:
            self._lines[name].append(text)
        except OSError as fault:
            self.broken = True
            raise self._folder.fault(self._files[name], fault) from fault

    def _remove_crops(self, names: set[str]) -> None:
        """Crops of rows that are gone; nothing outside the folder of crops, whatever the table says."""
        for name in names:
            with suppress(OSError, ValueError):
                if Path(name).parent == Path("crops"):
                    (self._folder.path / name).unlink()


def _frame_of(row: _Row) -> tuple[str, int]:
    return row["source"], int(row["index"])


def _is_whole(row: Mapping[str | None, str | None]) -> bool:
    """Whether every column is there, and a number where one must be."""
    if None in row or None in row.values():
        return False
    try:
        whole = [int(row.get(name) or 0) for name in _WHOLE]
        measured = [float(row.get(name) or 0) for name in _MEASURED]
    except ValueError:
        return False
    return bool(row["index"] and row.get("score", "0")) and min(whole) >= 0 and all(map(math.isfinite, measured))


def _strange(file: Path) -> OutputError:
    return OutputError(f"{file} is not as it was written", "mend it or give another folder")


def cell(text: str) -> str:
    """``text`` as one line that no spreadsheet takes for a formula (class names come from files of strangers)."""
    line = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029|]+", " ", text).encode("utf-8", "backslashreplace").decode()
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _time(pts: float) -> str:
    minutes, milliseconds = divmod(round(pts * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"
