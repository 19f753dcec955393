"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import OutputError, UsageError
from contracts.text import reason_of


def check_output(path: Path, inputs: Sequence[Path], *, overwrite: bool, option: str = "--output") -> None:
    """Fails before the work where ``path`` could not be written afterwards, or would destroy something.

    option: what ``path`` was given with, for the cures.
    Raises UsageError (it is one of the inputs; it exists and ``overwrite`` is not given) and OutputError (no such
    folder, no permission: found out by writing there, because permission bits say little to root).
    """
    for source in inputs:
        if _same(path, source):
            raise UsageError(f"the output {path} is the input {source}", f"choose another name with {option}")
    _check_free(path, option, overwrite=overwrite)
    parent = path.parent
    if not parent.is_dir():
        what = "is a file, not a folder" if parent.exists() else "does not exist"
        raise OutputError(f"cannot write {path}: {parent} {what}", f"mkdir -p {parent}, or choose another {option}")
    with _as_output_error(path, option):
        probe = _beside(path)
        probe.touch(exist_ok=False)
        probe.unlink()


@contextmanager
def written(path: Path, *, overwrite: bool, option: str = "--output") -> Iterator[Path]:
    """A name beside ``path`` to write to; it becomes ``path`` in one step when the block ends well, else it goes.

    option: what ``path`` was given with, for the cures. Raises OutputError where the disk is full or cannot be written,
    UsageError where ``path`` came into being meanwhile and ``overwrite`` is not given.
    """
    part = _beside(path)
    with _as_output_error(path, option):
        try:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            _check_free(path, option, overwrite=overwrite)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A hidden, unused name in the same folder, with the same ending."""
    return path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}.part{path.suffix}")


def _check_free(path: Path, option: str, *, overwrite: bool) -> None:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise OutputError(f"the output {path} is not a plain file", f"give a file name with {option}")
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"the output {path} exists", f"use --overwrite or choose another name with {option}")


def _same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist: then it is no file we would hit
        return False


@contextmanager
def _as_output_error(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "disk full" if full else reason_of(fault).lower()
        cure = f"free some space or write elsewhere ({option})" if full else f"check the path or use {option}"
        raise OutputError(f"cannot write {path}: {reason}", cure) from fault
