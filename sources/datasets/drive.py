"""The layout ``drive``: images/, drivable/, lane/, boxes/ with train/ and val/ in each, all by the same names.

Masks are PNG of 0, 1 and 255 (does not count). Boxes are text, a line each: class, centre x and y, width and height
as shares of the picture, and the score of the teacher that drew them; what it was less than 0.35 sure of is a region
that does not count. A head whose file is not there is not labelled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import SourceError
from contracts.picture import Pixels
from contracts.validation import read_file
from sources.datasets.fileset import Boxes, Entry, FileSet, MissingSplitError, pictures_in, read_mask
from sources.datasets.place import Where
from sources.datasets.sample import BOXES

CLASSES = {
    BOXES: ("person", "car", "bus", "truck", "two_wheeler"),
    "drivable": ("background", "drivable"),
    "lane": ("background", "lane"),
}
SURE = 0.35
"""Boxes below this score are neither hit nor miss."""
_LABELS = {BOXES: ("boxes", ".txt"), "drivable": ("drivable", ".png"), "lane": ("lane", ".png")}


@dataclass(frozen=True, slots=True)
class DriveSet(FileSet):
    """One split of a folder in this layout."""

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """None where there is no text file."""
        path = entry.labels.get(BOXES)
        return _boxes(path, width, height) if path else None

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """Of the heads whose file is there."""
        return {head: read_mask(path, width, height) for head, path in entry.labels.items() if head != BOXES}


def open_set(where: Where) -> DriveSet:
    """One split of a folder; raises SourceError where there are no pictures."""
    root, folder = Path(where.path), Path(where.path) / "images" / where.split
    entries = tuple(_entry(root, where.split, picture) for picture in pictures_in(folder))
    if not entries:
        there = sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) if folder.parent.is_dir() else []
        cure = f"there are: {', '.join(there)}" if there else "give the folder that holds images/"
        raise MissingSplitError(f"no pictures in {folder}", cure)
    return DriveSet(root, entries, CLASSES)


def _entry(root: Path, split: str, picture: Path) -> Entry:
    """Its group is what stands before the last underscore: frames of one drive are called drive_000 and so on."""
    name = picture.relative_to(root / "images" / split).with_suffix("").as_posix()
    files = {head: root / folder / split / f"{name}{end}" for head, (folder, end) in _LABELS.items()}
    labels = {head: path for head, path in files.items() if path.is_file()}
    return Entry(f"{split}/{name}", picture, name.rpartition("_")[0] or name, labels)


def _boxes(path: Path, width: int, height: int) -> Boxes:
    """Raises SourceError that names the line."""
    lines = enumerate(read_file(path, "boxes", SourceError).splitlines(), 1)
    numbers = [_numbers(line.split(), f"{path}:{number}") for number, line in lines if line.strip()]
    rows = np.array(numbers, np.float64).reshape(-1, 6)
    centre, half = rows[:, 1:3], rows[:, 3:5] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1) * np.array([width, height, width, height])
    return Boxes(corners, rows[:, 0].astype(np.int64), rows[:, 5] >= SURE)


def _numbers(words: Sequence[str], where: str) -> list[float]:
    """Raises SourceError that says ``where``."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or not numbers[0].is_integer():
        raise SourceError(f"{where}: not a class and five numbers", "write: class cx cy w h score")
    return numbers
