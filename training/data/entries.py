"""The files of a set, whatever its layout, and new places for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from contracts.errors import OutputError, UsageError
from sources.datasets.fileset import Entry, FileSet
from training.data.view import View
from training.files import written

Way = Literal["link", "copy"]
SPLITS = ("train", "val", "test")
_TOPS = ("images", "labels", "image", "labelmap", "colormap", "annotations", "json")
_SPLIT_NAMES = {"train", "val", "test", "valid", "train2017", "val2017", "test2017"}


def entries_of(samples: View) -> list[Entry]:
    """One per sample. Raises UsageError where the set is not of files."""
    base = samples.base
    if isinstance(base, FileSet):
        return [base.entries[index] for index in samples.indices]
    raise UsageError("the pictures of this layout are not files", "give a folder of pictures")


def root_of(samples: View) -> Path:
    """The folder that the files lie in; raises UsageError as ``entries_of``."""
    if isinstance(samples.base, FileSet):
        return samples.base.root
    raise UsageError("the pictures of this layout are not files", "give a folder of pictures")


def new_folder(path: Path, inputs: Iterable[Path]) -> Path:
    """An empty folder that is made where it is missing. Raises UsageError where it holds something or is an input."""
    for given in inputs:
        if path.resolve() == given.resolve():
            raise UsageError(f"--output {path} is what is read", "choose a new folder")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"--output {path} exists and is not an empty folder", "choose a new folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"cannot make {path}: {fault.strerror}", "choose another --output") from fault
    return path


def placed(relative: Path, split: str) -> Path:
    """A file's place in another split: the split's folder is replaced, or put in behind images/ and its like."""
    parts = list(relative.parts)
    for place, part in enumerate(parts[:-1]):
        if part in _SPLIT_NAMES:
            return Path(*parts[:place], split, *parts[place + 1 :])
    behind = 1 if parts[0] in _TOPS else 0
    return Path(*parts[:behind], split, *parts[behind:])


def splitless(relative: Path) -> Path:
    """The place without the split's folder: what a frame and its neighbour in another split have in common."""
    parts = list(relative.parts)
    place = next((place for place, part in enumerate(parts) if part in _SPLIT_NAMES), None)
    return relative if place is None else Path(*parts[:place], *parts[place + 1 :])


def brought(source: Path, target: Path, way: Way) -> None:
    """The file under another name: a hard link (no space; a copy where the disk is another), or a copy.

    Raises OutputError.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if way == "link":
            try:
                os.link(source.resolve(), target)
            except FileExistsError:
                raise
            except OSError:
                _copied(source, target)
        else:
            _copied(source, target)
    except OSError as fault:
        raise OutputError(f"cannot write {target}: {fault.strerror}", "choose another --output") from fault


def _copied(source: Path, target: Path) -> None:
    with written(target, overwrite=False) as part:
        shutil.copy2(source, part)


def listed(paths: Sequence[Path], folder: Path) -> str:
    """A path per line: ./ and relative where it lies below ``folder``, else absolute."""
    base = folder.resolve()
    lines = []
    for path in paths:
        whole = path.resolve()
        lines.append(f"./{whole.relative_to(base).as_posix()}" if whole.is_relative_to(base) else whole.as_posix())
    return "".join(f"{line}\n" for line in lines)
