"""The layout ``ayolom``: BDD100K as A-YOLOM wants it.

``images/SPLIT``, ``detection-object/labels/SPLIT`` (YOLO text), ``seg-drivable…/labels/SPLIT`` and
``seg-lane…/labels/SPLIT`` with the same names below. Its authors call the splits train2017 and val2017; plain train
and val do as well, and so does a folder without ``labels``. Areas are polygons in YOLO text, whatever their id, or
PNG masks: 0 is background, 255 does not count, everything else is the area. Classes are those of BDD100K as their
data set file names them; merge them with ``classes`` and ``remap`` of the set.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contracts.picture import Pixels
from contracts.polygon_pixels import class_map
from sources.datasets.fileset import Boxes, Entry, FileSet, pictures_in, read_mask, split_folder
from sources.datasets.place import Where
from sources.datasets.sample import BOXES, UNCOUNTED
from sources.datasets.yolo_text import boxes_around, read_outlines

ROAD_USERS = (
    "person",
    "rider",
    "car",
    "bus",
    "truck",
    "bike",
    "motor",
    "traffic light",
    "traffic sign",
    "train",
)
"""In the order of ids in BDD100K's labels as A-YOLOM's authors give them out."""
FOLDERS = {BOXES: "detection-object", "drivable": "seg-drivable", "lane": "seg-lane"}
"""Head → how its folder's name begins."""
_AREAS = {"drivable": ("background", "drivable"), "lane": ("background", "lane")}


class AYolomSet(FileSet):
    """Boxes and two areas."""

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """None where there is no text file."""
        path = entry.labels.get(BOXES)
        return boxes_around(read_outlines(path), width, height) if path else None

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """0, 1 and 255, for the areas that are labelled."""
        areas = {head: path for head, path in entry.labels.items() if head != BOXES}
        return {head: _area(path, width, height) for head, path in areas.items()}


def _area(path: Path, width: int, height: int) -> Pixels:
    """Raises SourceError."""
    if path.suffix == ".txt":
        return class_map(((1, outline.points * (width, height)) for outline in read_outlines(path)), width, height)
    mask = read_mask(path, width, height)
    return np.where(mask == UNCOUNTED, UNCOUNTED, mask > 0).astype(np.uint8)


def open_set(where: Where) -> AYolomSet:
    """A split of the folder. Raises SourceError."""
    root = Path(where.path)
    images = split_folder(root / "images", where.split)
    folders = {head: found for head, start in FOLDERS.items() if (found := _labels(root, start, where.split))}
    entries = tuple(_entry(picture, images, folders, root) for picture in pictures_in(images))
    names = {BOXES: where.classes.get(BOXES, ROAD_USERS), **_AREAS}
    return AYolomSet(root, entries, {head: names[head] for head in folders})


def _labels(root: Path, start: str, split: str) -> Path | None:
    """The folder of a head's labels; None: this head is not labelled. Raises SourceError where it lacks the split."""
    found = sorted(path for path in root.glob(f"{start}*") if path.is_dir())
    if not found:
        return None
    return split_folder(found[0] / "labels" if (found[0] / "labels").is_dir() else found[0], split)


def _entry(picture: Path, images: Path, folders: dict[str, Path], root: Path) -> Entry:
    below = picture.relative_to(images)
    labels = {
        head: path
        for head, folder in folders.items()
        for path in [_first((folder / below).with_suffix(".txt"), (folder / below).with_suffix(".png"))]
        if path is not None
    }
    name = picture.relative_to(root / "images").with_suffix("").as_posix()
    return Entry(name, picture, _ride(below), labels)


def _ride(below: Path) -> str:
    """BDD100K's names begin with the ride, up to the first hyphen."""
    return (below.parent / (below.stem.split("-")[0] or below.stem)).as_posix()


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
