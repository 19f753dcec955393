"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import OutputError, UsageError


def check_output(path: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Fails before the work where ``path`` could not be written afterwards, or would destroy something.

    Raises UsageError (it is one of the inputs; it exists and ``overwrite`` is not given) and OutputError (no such
    folder, no permission: found out by writing there, because permission bits say little to root).
    """
    for source in inputs:
        if _same(path, source):
            raise UsageError(f"the output {path} is the input {source}", "choose another name with --output")
    _check_free(path, overwrite=overwrite)
    parent = path.parent
    if not parent.is_dir():
        what = "is a file, not a folder" if parent.exists() else "does not exist"
        raise OutputError(f"cannot write {path}: {parent} {what}", f"mkdir -p {parent}, or choose another --output")
    with _as_output_error(path):
        probe = _beside(path)
        probe.touch(exist_ok=False)
        probe.unlink()


@contextmanager
def written(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A name beside ``path`` to write to; it becomes ``path`` in one step when the block ends well, else it goes.

    Raises OutputError where the disk is full or cannot be written, UsageError where ``path`` came into being
    meanwhile and ``overwrite`` is not given.
    """
    part = _beside(path)
    with _as_output_error(path):
        try:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            _check_free(path, overwrite=overwrite)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A hidden, unused name in the same folder, with the same ending."""
    return path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}.part{path.suffix}")


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise OutputError(f"the output {path} is not a plain file", "give a file name with --output")
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"the output {path} exists", "use --overwrite or choose another name with --output")


def _same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist: then it is no file we would hit
        return False


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "disk full" if full else (fault.strerror or str(fault)).lower()
        cure = "free some space or write elsewhere (--output)" if full else "check the path or use --output"
        raise OutputError(f"cannot write {path}: {reason}", cure) from fault
