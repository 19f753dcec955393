"""A file on its way: written under a name of its own, known again by a later run, moved to its place when whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

if sys.platform != "win32":
    import fcntl

from contracts.errors import OutputError, UsageError
from contracts.text import reason_of

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Part:
    """``net.part.onnx`` beside the target ``net.onnx``, locked while it is open; ``net.part.json`` says whose it is.

    A part of the same address that an earlier run left is taken up; one of another address is emptied. Every method
    raises OutputError where the disk is at fault, the constructor UsageError where a file of that name is not ours.
    """

    def __init__(self, target: Path, url: str) -> None:
        self._target = target
        self._url = url
        self.path = target.with_name(f"{target.stem}.part{target.suffix}")
        self._note = self.path.with_suffix(".json")
        with self._writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open(self.path)
        try:
            self._lock()
            self.size = os.fstat(self._file.fileno()).st_size
            self.validator: str | None = None
            self._recognise()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Closes it; an empty part is not worth keeping."""
        if not self._file.closed and self.size == 0:
            self.discard()
        self._file.close()

    def write(self, data: bytes) -> None:
        """Appends ``data``, all of it."""
        with self._writing():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self.size += len(data)

    def restart(self, validator: str | None = None) -> None:
        """Empties it. validator: what will tell a later run whether the server still has the same file."""
        with self._writing():
            self._file.seek(0)
            self._file.truncate()
            self.size, self.validator = 0, validator
            self._note.write_text(json.dumps({"url": self._url, "validator": validator}), encoding="utf-8")

    def sha256(self) -> str:
        """The hash of what is there."""
        with self._writing():
            return sha256_of(self.path)

    def make_room(self, total: int | None) -> None:
        """Fails now rather than later where a file of ``total`` bytes does not fit on the disk."""
        if total is None:
            return
        with self._writing():
            free = shutil.disk_usage(self.path.parent).free
        if free < total - self.size:
            raise OutputError(
                f"cannot write {self._target}: {total - self.size} bytes are to come, {free} are free",
                "free some space, or give --output DIR",
            )

    def publish(self) -> None:
        """Moves the whole file to its name in one step, once it is on the disk; never over another file."""
        with self._writing():
            os.fsync(self._file.fileno())
            try:
                os.link(self.path, self._target)
                self.path.unlink()
            except FileExistsError as fault:
                raise UsageError(f"{self._target} appeared meanwhile", "move it away, and try again") from fault
            except OSError as fault:
                if fault.errno not in _NO_LINKS:
                    raise
                self.path.rename(self._target)
            self._note.unlink(missing_ok=True)
        self._file.close()

    def discard(self) -> None:
        """Removes it."""
        with self._writing():
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
        self._file.close()

    def _lock(self) -> None:
        """Refuses where another run is writing this part at this moment."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise UsageError(f"another run is downloading {self._target}", "wait for its end") from fault
        except OSError:
            return  # a network disk may know no locks
        with self._writing():
            if not self.path.exists() or not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
                raise UsageError(f"another run finished {self._target} at this moment", "try again")

    def _recognise(self) -> None:
        """Takes up what an earlier run of ours left."""
        if self.size == 0:
            return
        note: object = None
        with suppress(OSError, ValueError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
        if not isinstance(note, dict):
            raise UsageError(f"{self.path} is in the way and not of our making", "move it away")
        if note.get("url") != self._url:
            self.restart()
            return
        kept = note.get("validator")
        self.validator = kept if isinstance(kept, str) else None
        self._file.seek(0, os.SEEK_END)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
            raise OutputError(
                f"cannot write {self._target}: {'disk full' if full else reason_of(fault)}",
                "free some space and try again: what came is kept" if full else "check the path, or give --output DIR",
            ) from fault


def _open(path: Path) -> FileIO:
    """The file for reading and writing, made if need be; never through a link, which may lead to somebody's file."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return FileIO(os.open(path, flags, 0o666), "r+b")


def sha256_of(file: Path) -> str:
    """SHA-256, lower-case hex, of the bytes there are now; ``files.hashes_of`` goes by time stamps."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
