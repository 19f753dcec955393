"""Names of a segmented recording's files, which of those in a folder are ours, and what a killed run left.

``--save rec/out.mp4`` gives ``rec/out-000001-20261127T190501Z.mp4`` and so on. The number is one more than the
highest there is: names sort by time whatever the clock did meanwhile, a new run goes on behind the old ones, and no
two are alike. The time (UTC, of the first frame) is for people. Ours is a plain file with exactly such a name *and*
our mark at its end, a box of 24 bytes that players skip: a file that somebody else made or edited has none. A part
has another one in its beginning, from its first byte on, where no copy that a program makes of it has one.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from uuid import UUID

import av

from outputs.fragments import cut_to_whole_fragments, length_of_whole_fragments
from outputs.paths import Target, lock_file

log = logging.getLogger(__name__)

_MARK = struct.pack(">I4s16s", 24, b"uuid", UUID("6f1f3a52-5a0c-4d0e-9b1e-7c1d2f0a8e37").bytes)
"""A user extension box (ISO/IEC 14496-12, 4.2) that holds nothing but its own kind."""
_BEGUN = struct.pack(">I4s16s", 24, b"uuid", UUID("c0b7a5f2-3d0e-4d55-8a43-91f6f6f0b2d4").bytes)
"""The same in the beginning of what we record."""
_TIME = "%Y%m%dT%H%M%SZ"
_BEGINNING = 256  # bytes; a recording without its first fragment is shorter: two headers
_LONGEST = "-000001-20261127T190501Z"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A finished segment of ours as it lay on the disk when we looked."""

    number: int
    path: Path
    size: int
    inode: int

    def is_still_there(self) -> bool:
        """Whether the file under this name is the one we looked at. Raises OSError."""
        return segment_at(self.path, self.number) == self


def segment_at(path: Path, number: int) -> Segment | None:
    """The segment of ours under a name; None for a link, a folder, or a file of somebody else. Raises OSError."""
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size < len(_MARK):
        return None
    with path.open("rb") as file:
        file.seek(-len(_MARK), os.SEEK_END)
        ours = file.read() == _MARK
    return Segment(number, path, status.st_size, status.st_ino) if ours else None


def mark(path: Path) -> None:
    """Marks a whole MP4 as ours; may be called again. Raises OSError; the file is as it was then."""
    if segment_at(path, 0) is not None:
        return
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(_MARK) < len(_MARK):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            raise


def mark_beginning(part: Path) -> None:
    """Marks as ours what has no more than its header yet. Raises OSError.

    FFmpeg hides a second ``ftyp`` there, in a box for padding that becomes the beginning of the pictures' box when the
    file is closed; nobody reads either.
    """
    with part.open("r+b", buffering=0) as file:
        hidden = file.read(_BEGINNING).find(b"ftyp", 8) - 4
        if hidden > 0:
            file.seek(hidden)
            file.write(_BEGUN)


class SegmentNames:
    """The names of one series. ``open`` before ``next``; always ``close``."""

    def __init__(self, path: Path) -> None:
        """path: the name that a recording in one piece would have."""
        self.path = path
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        number, time = "([0-9]{6}|[1-9][0-9]{6,14})", "(?:-[0-9]{8}T[0-9]{6}Z)?"
        self._pattern = re.compile(rf"{stem}-{number}{time}(|\.part|\.part-[0-9]+|\.finishing){suffix}")
        self._claim: FileIO | None = None
        self._known: dict[Path, Segment] = {}  # looked into before: thousands of files on a slow disk
        self._next = self.first = 1
        """The first number of this run."""

    @property
    def longest(self) -> Path:
        """A name as long as they get."""
        return self.path.with_name(f"{self.path.stem}{_LONGEST}{self.path.suffix}")

    def open(self) -> None:
        """Locks the series, by the part that a recording in one piece would have, empty here. Raises OutputError."""
        self._claim = Target(self.path).claim()
        with suppress(OSError):  # then the first segment's part fails, and says why
            self.first = self._next = max((number for number, _, _ in self._named()), default=0) + 1

    def close(self) -> None:
        """Gives the series free; may be called twice."""
        if self._claim is not None:
            with suppress(OSError), self._claim:
                Target(self.path).part.unlink()
            self._claim = None

    def next(self, when: datetime | None) -> Target:
        """Where the next segment goes; when: its first frame was taken (UTC), None where nobody knows."""
        time = f"-{when.strftime(_TIME)}" if when is not None else ""
        while True:
            target = Target(self.path.with_name(f"{self.path.stem}-{self._next:06d}{time}{self.path.suffix}"))
            self._next += 1
            if not os.path.lexists(target.path) and not os.path.lexists(target.part):
                return target

    def includes(self, file: Path) -> bool:
        """Whether a file has a name of this series, finished or not, itself or behind a link."""
        for each in (file, Path(os.path.realpath(file))):
            here = os.path.realpath(each.parent) == os.path.realpath(self.path.parent)
            if here and self._pattern.fullmatch(each.name) is not None:
                return True
        return False

    def segments(self) -> list[Segment]:
        """The finished segments of ours, those of earlier runs too, the oldest first. Raises OSError."""
        found = {}
        for number, state, path in self._named():
            with suppress(OSError):  # gone meanwhile, or not for us to read
                segment = self._at(path, number) if not state else None
                if segment is not None:
                    found[path] = segment
        self._known = found
        return sorted(found.values())

    def _at(self, path: Path, number: int) -> Segment | None:
        known, status = self._known.get(path), os.lstat(path)
        if known is not None and (known.inode, known.size) == (status.st_ino, status.st_size):
            return known
        return segment_at(path, number)

    def recover(self) -> None:
        """Parts of ours that a killed run left become segments, cut to what plays; with a warning. Raises OSError."""
        for number, state, part in sorted(self._named()):
            if state == ".part" and number < self.first and stat.S_ISREG(os.lstat(part).st_mode):
                with part.open("rb", buffering=0) as left:
                    if lock_file(left):  # else another run is writing it, whatever its series is called
                        self._recover(part, left.read(_BEGINNING))

    def _recover(self, part: Path, beginning: bytes) -> None:
        """A part that nobody writes; one that is not ours is only named. Raises OSError."""
        if beginning and _BEGUN not in beginning:
            log.warning("%s was not recorded by RoadStream as a segment: it stays as it is", part)
            return
        target = Target(part.with_name(part.name.removesuffix(f".part{part.suffix}") + part.suffix))
        with suppress(OSError):
            target.finishing.unlink()  # a copy of the part that was not finished
        if len(beginning) < _BEGINNING:
            part.unlink()
        elif os.path.lexists(target.path) or not _plays(part):
            target.set_part_aside()
        else:
            cut_to_whole_fragments(part)
            mark(part)
            target.publish(part)
            log.warning("%s of an earlier run is now %s", part, target.path)

    def _named(self) -> Iterator[tuple[int, str, Path]]:
        """Number, state ("", ".part" …) and path of whatever has a name of this series. Raises OSError."""
        with os.scandir(self.path.parent) as entries:
            for entry in entries:
                if match := self._pattern.fullmatch(entry.name):
                    yield int(match[1]), match[2], self.path.with_name(entry.name)


def _plays(part: Path) -> bool:
    """Whether a part is a video, as far as it is whole. Raises OSError."""
    if not length_of_whole_fragments(part):
        return False
    try:
        with av.open(f"file:{part}") as container:
            return any(packet.size for packet in container.demux(video=0))
    except (av.FFmpegError, IndexError):
        return False
