"""Where outputs go: names beside the target while writing, and every check that can be made before a run starts."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from io import FileIO
from itertools import count
from pathlib import Path

if sys.platform != "win32":
    import fcntl

from contracts.errors import OutputError, UsageError

log = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Target:
    """A file to be written; ``path`` itself only ever holds a whole file.

    Until then it is ``out.part.mp4`` while the run goes on and ``out.finishing.mp4`` while it is put together.
    """

    path: Path

    @property
    def part(self) -> Path:
        """The file being recorded."""
        return self.path.with_name(f"{self.path.stem}.part{self.path.suffix}")

    @property
    def finishing(self) -> Path:
        """The finished file before it moves to its own name."""
        return self.path.with_name(f"{self.path.stem}.finishing{self.path.suffix}")

    def claim(self) -> FileIO:
        """Makes the part, empty, and locks it: it is ours for as long as the file returned is open.

        A part that an earlier run left (killed, full disk) is kept as ``out.part-1.mp4``, ``-2`` and so on, with a
        warning, unless it is empty. Raises OutputError, also where another run is writing the part at this moment.
        """
        try:
            if os.path.lexists(self.part):
                self._set_aside()
            part = self.part.open("xb", buffering=0)
        except FileExistsError as fault:
            raise self._taken() from fault
        except OSError as fault:
            raise _cannot_write(self.path, fault) from fault
        lock_file(part)
        return part

    def _set_aside(self) -> None:
        with self.part.open("rb", buffering=0) as left:
            if not lock_file(left):
                raise self._taken()
            if os.fstat(left.fileno()).st_size == 0:
                self.part.unlink()
                return
            self.set_part_aside()

    def set_part_aside(self) -> None:
        """Gives the part the first free name of ``out.part-1.mp4``, ``-2`` …, with a warning. Raises OSError."""
        names = (self.path.with_name(f"{self.path.stem}.part-{number}{self.path.suffix}") for number in count(1))
        kept = next(name for name in names if not os.path.lexists(name))
        self.part.rename(kept)
        log.warning("%s of an earlier run is now %s", self.part, kept)

    def _taken(self) -> OutputError:
        return OutputError(f"another run is writing {self.path}", "wait for its end or choose another name")

    def publish(self, whole: Path) -> None:
        """Moves ``whole`` to the target's name in one step, once its bytes are on the disk. Raises OSError."""
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        whole.replace(self.path)


def lock_file(file: FileIO | int) -> bool:
    """Locks an open file for this process; False where another one holds it. A disk without locks: True."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as fault:  # a network disk may know no locks
        log.debug("no lock on %s: %s", file, fault)
    return True


def lock_folder(folder: Path) -> int:
    """A descriptor that keeps the folder locked until it is closed.

    Raises OutputError where another run has it, and OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    if not lock_file(descriptor):
        os.close(descriptor)
        raise OutputError(f"another run is writing into {folder}", "wait for its end or give another folder")
    return descriptor


def check_folders(folders: Sequence[Path], inputs: Sequence[str]) -> None:
    """Fails where files could not be written into a folder (made later), or where it is an input.

    ``inputs``: as for ``check_targets``. Raises UsageError and OutputError; nothing stays behind.
    """
    sources = _Files(_local_files(inputs))
    for position, folder in enumerate(folders):
        places = _places(folder)
        if any(sources.find(place) for place in places):
            raise UsageError(f"the output {folder} is an input", "choose another folder")
        earlier = [place for other in folders[:position] for place in _places(other)]
        if any(_same(place, other) for place in places for other in earlier):
            raise UsageError(f"two outputs would write into {folder}", "give each its own folder")
        if os.path.lexists(folder) and not folder.is_dir():
            raise OutputError(f"cannot write into {folder}: it is a file, not a folder", "give the name of a folder")
        try:
            _probe(folder / "probe" if folder.is_dir() else folder)
        except OSError as fault:
            raise _cannot_write(folder, fault) from fault


def _places(folder: Path) -> tuple[Path, ...]:
    """A folder of an output and those in it where labels and findings put pictures."""
    return folder, folder / "images", folder / "crops"


def is_full(fault: BaseException) -> bool:
    """Whether a disk (or a quota) is full, by the fault itself or by what it was made of."""
    return any(getattr(each, "errno", None) in _FULL for each in (fault, fault.__cause__))


def reason(fault: Exception) -> str:
    """Why a file could not be written, in a few words for people."""
    if is_full(fault):
        return "disk full"
    if not isinstance(fault, OSError) or not fault.strerror:
        return str(fault)
    return "the disk is read-only" if fault.errno == errno.EROFS else fault.strerror.lower()


def cure(fault: Exception) -> str:
    """What to do about it."""
    return "free some space or write elsewhere" if is_full(fault) else "check the path or write elsewhere"


def _cannot_write(path: Path, fault: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {reason(fault)}", cure(fault))


def check_targets(outputs: Sequence[Path], inputs: Sequence[str], overwrite: bool) -> None:
    """Fails where an output could not be written or would destroy something.

    ``inputs``: sources as given; those that are no local files are ignored. Raises UsageError (an existing output
    without ``overwrite``, an output that is an input or another output) and OutputError (a place that cannot be
    written; found out by writing there, because permission bits say little to root).
    """
    sources = _Files(_local_files(inputs))
    for position, path in enumerate(outputs):
        _refuse_inputs(path, sources)
        for other in outputs[:position]:
            if _same(path, other):
                raise UsageError(f"two outputs have the same name: {path}", "give each its own")
        try:
            _check_existing(path, overwrite)
            _probe(path)
        except OSError as fault:
            raise _cannot_write(path, fault) from fault


def check_series(path: Path, longest: Path, includes: Callable[[Path], bool], inputs: Sequence[str]) -> None:
    """Fails where the files of a series could not be written, or would destroy an input; old ones are no reason.

    path: what the series is named after; longest: its longest name; includes: whether it has such a name. ``inputs``:
    as for ``check_targets``. Raises UsageError and OutputError.
    """
    files = list(_local_files(inputs))
    _refuse_inputs(path, _Files(files))
    segment = next((file for file in files if includes(file)), None)
    if segment is not None:
        raise UsageError(f"the input {segment} is a segment of the output {path}", "choose another output name")
    try:
        _probe(longest)
    except OSError as fault:
        raise _cannot_write(path, fault) from fault


def _local_files(inputs: Sequence[str]) -> Iterator[Path]:
    """The inputs that are files here, wildcards expanded."""
    for text in inputs:
        name = text.removeprefix("file://") if text.startswith("file:///") else text.removeprefix("file:")
        path = Path(name)
        if os.path.lexists(path):
            yield path
        elif has_magic(name):
            yield from map(Path, glob(name, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)


class _Files:
    """Files, each looked at once: a data set has thousands."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._by_name: dict[str, Path] = {}
        self._by_node: dict[tuple[int, int], Path] = {}
        for path in paths:
            self._by_name.setdefault(os.path.realpath(path), path)
            node = _node(path)
            if node is not None:
                self._by_node.setdefault(node, path)

    def find(self, path: Path) -> Path | None:
        """The one that ``path`` means: by name after following links, or by inode (hard links) where both exist."""
        node = _node(path)
        return self._by_name.get(os.path.realpath(path)) or (self._by_node.get(node) if node is not None else None)


def _node(path: Path) -> tuple[int, int] | None:
    """Device and inode; None where it does not exist (yet), or cannot be looked at: then it is no file we would hit."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _refuse_inputs(path: Path, sources: _Files) -> None:
    """UsageError where writing ``path`` would overwrite a source, now or while recording."""
    target = Target(path)
    source = sources.find(path)
    if source is not None:
        raise UsageError(f"the output {path} is the input {source}", "choose another output name")
    source = sources.find(target.part) or sources.find(target.finishing)
    if source is not None:
        raise UsageError(
            f"the input {source} has the name the output {path} uses while recording",
            "rename the input or choose another output name",
        )


def _same(one: Path, other: Path) -> bool:
    """Whether two paths mean one file."""
    return _Files([one]).find(other) is not None


def _check_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"the output {path} is a folder", "give a file name")
    if not os.path.lexists(path):
        return
    if path.exists() and not path.is_file():
        raise OutputError(f"the output {path} is not a plain file", "give a file name")
    if not overwrite:
        raise UsageError(f"the output {path} exists", "use --overwrite or choose another name")


def _probe(path: Path) -> None:
    """Creates and removes a file where the output will be, under a name as long as the ones used on the way.

    Raises OutputError and OSError.
    """
    parent = path.parent
    if not parent.exists():
        raise OutputError(f"the folder of the output {path} does not exist", f"mkdir -p {shlex.quote(str(parent))}")
    if not parent.is_dir():
        raise OutputError(f"cannot write {path}: {parent} is a file, not a folder", "choose another place")
    probe = path.with_name(f"{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    with probe.open("xb"):
        pass
    probe.unlink()
