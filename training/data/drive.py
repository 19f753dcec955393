"""The layout ``drive``: images/, drivable/, lane/, boxes/ with train/ and val/ in each, all by the same names.

Masks are PNG of 0, 1 and 255 (does not count). Boxes are text, a line each: class, centre x and y, width and height
as shares of the picture, and the score of the teacher that drew them; what it was less than 0.35 sure of is a region
that does not count. A head whose file is not there is not labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.picture import Pixels
from training.config import SetConfig
from training.data.fileset import MissingSplitError, read_mask, read_picture
from training.data.sample import BOXES, Sample

CLASSES = {
    BOXES: ("person", "car", "bus", "truck", "two_wheeler"),
    "drivable": ("background", "drivable"),
    "lane": ("background", "lane"),
}
SURE = 0.35
"""Boxes below this score are neither hit nor miss."""
_MASKS = ("drivable", "lane")


@dataclass(frozen=True, slots=True)
class DriveSet:
    """One split of a folder in this layout. names: of the pictures, without ending, in natural order."""

    root: Path
    split: str
    names: tuple[str, ...]

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Five kinds of road users, two masks."""
        return CLASSES

    @property
    def groups(self) -> tuple[str, ...]:
        """What stands before the last underscore: frames of one drive are called ``drive_000`` and so on."""
        return tuple(name.rpartition("_")[0] or name for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        pixels = read_picture(self._path("images", name, ".jpg"))
        boxes, class_ids, counts = _boxes(self._path("boxes", name, ".txt"), pixels.shape[1], pixels.shape[0])
        masks = {head: mask for head in _MASKS if (mask := _mask(self._path(head, name, ".png"), pixels)) is not None}
        return Sample(f"{self.split}/{name}", pixels, boxes, class_ids, counts, masks)

    def _path(self, folder: str, name: str, ending: str) -> Path:
        return self.root / folder / self.split / f"{name}{ending}"


def open_set(config: SetConfig) -> DriveSet:
    """One split of a folder; raises SourceError where there are no pictures."""
    root = Path(config.path)
    names = sorted(path.stem for path in (root / "images" / config.split).glob("*.jpg"))
    if not names:
        raise MissingSplitError(f"no pictures in {root}/images/{config.split}", "give the folder that holds images/")
    return DriveSet(root, config.split, tuple(names))


def _mask(path: Path, picture: Pixels) -> Pixels | None:
    """uint8 (H, W); None where there is no such file. Raises SourceError."""
    if not path.exists():
        return None
    return read_mask(path, picture.shape[1], picture.shape[0])


def _boxes(path: Path, width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """(boxes in pixels, class ids, counts); one uncounted region over everything where there is no file."""
    if not path.exists():
        return np.array([[0, 0, width, height]], np.float32), np.zeros(1, np.int64), np.zeros(1, np.bool_)
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        rows = np.array(lines, np.float32) if lines else np.zeros((0, 6), np.float32)
        if rows.shape[1] != 6 or not np.isfinite(rows).all():
            raise ValueError
    except (OSError, ValueError) as fault:
        raise SourceError(f"{path}: not six numbers a line", "write: class cx cy w h score") from fault
    strange = rows[~np.isin(rows[:, 0], range(len(CLASSES[BOXES]))), 0]
    if strange.size:
        raise SourceError(f"{path}: class {strange[0]:g} is none of {len(CLASSES[BOXES])}", "mend its first column")
    ids = rows[:, 0].astype(np.int64)
    centre, half = rows[:, 1:3], rows[:, 3:5] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    boxes = np.clip(corners, 0, 1) * np.array([width, height, width, height], np.float32)
    return boxes.astype(np.float32), ids, rows[:, 5] >= SURE
