"""The layout ``class_folders``: ``SPLIT/CLASS/….jpg``, or ``CLASS/….jpg``, which is all train.

Folders are classes in alphabetical order (of all splits together), unless ``classes: {label: […]}`` of the set gives
the order. Pictures may lie deeper; the folder they lie in is their group.
"""

from __future__ import annotations

from pathlib import Path

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.datasets.fileset import BoxFileSet, Entry, MissingSplitError, pictures_in, required_folder, split_folder
from sources.datasets.place import Where
from sources.datasets.sample import LABEL

_SPLITS = {"train", "val", "valid", "test"}


def open_set(where: Where) -> BoxFileSet:
    """A split of the folder. Raises SourceError, UsageError."""
    root = required_folder(Path(where.path), "give the folder that holds the classes' folders")
    splits = sorted({folder.name for folder in _folders(root)} & _SPLITS)
    folder = split_folder(root, where.split) if splits or where.split != "train" else root
    everywhere = {below.name for split in splits or [""] for below in _folders(root / split)}
    names = where.classes.get(LABEL, tuple(sorted(everywhere)))
    found = sorted(below.name for below in _folders(folder))
    for strange in set(found) - set(names):
        raise UsageError(f"{folder / strange}: no class is called so", did_you_mean(strange, names))
    entries = tuple(
        Entry(
            picture.relative_to(root).with_suffix("").as_posix(),
            picture,
            picture.parent.relative_to(root).as_posix(),
            label=names.index(name),
        )
        for name in found
        for picture in pictures_in(folder / name)
    )
    if not entries:
        raise MissingSplitError(f"no folders with pictures in {folder}", "one folder per class, pictures inside")
    return BoxFileSet(root, entries, {LABEL: names})


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(".")]
