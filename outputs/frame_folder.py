"""A folder with a file per frame: names, what is there already, and files that appear whole or not at all.

A run may be started again into the same folder: files that exist are left alone and the run goes on behind them.
``roadstream.json`` in it remembers what belongs together (which source has which id, the classes of labels), so that
frames of another clip or other classes are refused instead of mixed in. No other file is ever touched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Pixels
from contracts.text import counted
from outputs.paths import cure, lock_folder, reason

log = logging.getLogger(__name__)

MEMORY = "roadstream.json"
"""Name of the file that remembers."""
_JPEG_QUALITY = 95
_DIGITS = 6
_LONGEST_ID = 180  # bytes; file systems allow 255 for a name, and number, ending and .part follow
_PART = ".part"


class FrameFolder:
    """One output's folder. ``open``, ``agree`` before each frame's files, ``name`` and ``put``; always ``close``.

    kind: what the output writes. overwrite: files of the same name are replaced, those of other frames still left
    alone. traces: names that only this output's own runs may have left in the folder.
    """

    def __init__(self, path: Path, kind: str, *, overwrite: bool, traces: Sequence[str] = ()) -> None:
        self.path = path
        self._kind, self._overwrite, self._traces = kind, overwrite, traces
        self._sources: dict[str, dict[str, Any]] = {}
        self._first: dict[str, int] = {}
        self._lock: int | None = None
        self._agreed = False
        self.left_alone = 0

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the folder, locks it, and looks what it holds. Raises OutputError; then it is free again."""
        try:
            self.path.mkdir(exist_ok=True)
            self._lock = lock_folder(self.path)
        except OSError as fault:
            raise self.fault(self.path, fault) from fault
        for source in sources:
            self._sources[_safe(source.id)] = _facts(source)
            if source.live:
                self._first[_safe(source.id)] = self._behind(_safe(source.id))
        try:
            self._check(self._memory())
        except OutputError:
            self.close()
            raise

    def agree(self, **facts: Any) -> None:
        """Holds ``facts`` (as JSON has them) of this run against those of the folder, then remembers them; once.

        Raises OutputError where the folder has other ones; nothing has been touched then.
        """
        if self._agreed:
            return
        memory = self._memory()
        for key, value in facts.items():
            if memory is not None and memory.get(key) != value:
                raise OutputError(
                    f"{self.path} holds {self._kind} of other {key}: {_short(memory.get(key))}, not {_short(value)}",
                    "give another folder",
                )
        known = memory["sources"] if memory is not None else {}
        wanted = {"version": 1, "kind": self._kind, **facts, "sources": {**known, **self._sources}}
        if memory != wanted:
            self.put(self.path / MEMORY, (json.dumps(wanted, indent=1) + "\n").encode(), replace=True)
        self._agreed = True

    def name(self, frame: Frame) -> str:
        """``clip-000012``: the source's id and the frame's index; frames of a live source follow those there are."""
        return frame_name(frame, self._first.get(_safe(frame.source.id), 0))

    def wants(self, file: Path) -> bool:
        """Whether a file is still to be written; one that exists is counted as left alone."""
        wanted = self._overwrite or not os.path.lexists(file)
        self.left_alone += not wanted
        return wanted

    def put(self, file: Path, data: bytes | Iterable[bytes], *, replace: bool | None = None) -> None:
        """Writes a file, its folder too; it takes its name when it is whole. data: all of it, or piece by piece.

        One that exists stays as it is, unless ``replace`` (None: the run's ``overwrite``). Raises OutputError.
        """
        if os.path.lexists(file) and not (self._overwrite if replace is None else replace):
            return
        part = file.with_name(file.name + _PART)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                out.writelines((data,) if isinstance(data, bytes) else data)
            part.replace(file)
        except OSError as fault:
            with suppress(OSError):
                part.unlink()
            raise self.fault(file, fault) from fault

    def fault(self, file: Path, fault: OSError) -> OutputError:
        """What to raise when ``file`` could not be written."""
        kept = "" if self._lock is None else f"; the files so far are whole, in {self.path}"
        return OutputError(f"cannot write {file}: {reason(fault)}{kept}", cure(fault))

    def close(self) -> None:
        """Gives the folder free; one in which nothing was written goes away again."""
        if self._lock is None:
            return
        os.close(self._lock)
        self._lock = None
        if self.left_alone:
            log.warning("%s: left alone what was there already: %s", self.path, counted(self.left_alone, "file"))
        with suppress(OSError):  # not empty
            self.path.rmdir()

    def _memory(self) -> dict[str, Any] | None:
        """What an earlier run remembered; None where none did. Raises OutputError."""
        file = self.path / MEMORY
        try:
            memory = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(memory["sources"], dict) or memory["version"] != 1:
                raise ValueError("another version")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise OutputError(f"{file} cannot be read as ours", "give another folder") from fault
        found: dict[str, Any] = memory
        return found

    def _check(self, memory: Mapping[str, Any] | None) -> None:
        """Raises OutputError where the folder is somebody else's, or an id already means another clip."""
        if memory is None:
            strange = [name for name in self._traces if (self.path / name).exists()]
            if strange:
                raise OutputError(
                    f"{self.path} holds files of somebody else ({', '.join(strange)})", "give another folder"
                )
            return
        if memory.get("kind") != self._kind:
            raise OutputError(f"{self.path} holds {memory.get('kind')}, not {self._kind}", "give another folder")
        for source, facts in self._sources.items():
            there = memory["sources"].get(source, facts)
            if there != facts and not self._overwrite:
                differs = ", ".join(key for key in facts if there.get(key) != facts[key])
                raise OutputError(
                    f"{self.path} holds frames of another {source!r} (another {differs})",
                    "give another folder or rename the source; --overwrite replaces frames of the same number",
                )

    def _behind(self, source: str) -> int:
        """The first number that no file of a source has."""
        pattern = re.compile(re.escape(source) + r"-(\d+)\.[a-z]+")
        found = (pattern.fullmatch(file) for _, _, files in os.walk(self.path) for file in files)
        return max((int(match[1]) + 1 for match in found if match), default=0)


def jpeg(pixels: Pixels) -> bytes:
    """A BGR picture as a JPEG. Raises OutputError for a size that JPEG cannot hold."""
    try:
        done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    except cv2.error:
        done, data = False, np.zeros(0, np.uint8)
    if not done:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise OutputError(f"a picture of {size} cannot be written as JPEG", "65500 pixels is its longest side")
    return data.tobytes()


def frame_name(frame: Frame, first: int = 0) -> str:
    """``clip-000012``: the source's id and the frame's index, fit for a file name. first: the number of index 0."""
    return f"{_safe(frame.source.id)}-{frame.index + first:0{_DIGITS}d}"


def safe_name(text: str) -> str:
    """``text`` as a part of a file name on any system."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", text) or "_"


def _safe(source_id: str) -> str:
    """A source's id as the beginning of a file name, short enough for one; long ones end in a part of their hash."""
    name = safe_name(source_id)
    data = os.fsencode(name)
    if len(data) <= _LONGEST_ID:
        return name
    return f"{data[:_LONGEST_ID].decode('utf-8', 'ignore')}~{hashlib.sha256(data).hexdigest()[:8]}"


def _facts(source: SourceInfo) -> dict[str, Any]:
    """What tells clips of the same name apart, wherever they lie. Of a live source every run is new."""
    if source.live:
        return {"live": True}
    facts = {"start": str(source.start), "size": f"{source.width}x{source.height}"}
    file = Path(source.uri)
    with suppress(OSError, ValueError):  # not a file's name at all
        if file.is_file():
            return {"file": file.name, "bytes": file.stat().st_size, **facts}
    return {"uri": source.uri, **facts}


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "none given" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
