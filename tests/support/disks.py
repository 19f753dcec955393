"""Small disks for tests: full ones and read-only ones. They need root; else the test is skipped, with the reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: int, files: int | None = None) -> Iterator[Path]:
    """A tmpfs of ``size`` bytes mounted at ``folder``; files: how many it has room for, however small they are."""
    folder.mkdir()
    most = f",nr_inodes={files + 1}" if files is not None else ""  # the folder itself is one
    _run("mount", "-t", "tmpfs", "-o", f"size={size}{most}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


def make_read_only(disk: Path) -> None:
    """From now on nothing can be written to a mounted disk."""
    _run("mount", "-o", "remount,ro", str(disk))


@contextmanager
def undeletable(file: Path) -> Iterator[None]:
    """A file that nobody can delete or rename: a mount point."""
    _run("mount", "--bind", str(file), str(file))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(file)], check=True, timeout=30)


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs the program {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted here: {done.stderr.strip()}")
