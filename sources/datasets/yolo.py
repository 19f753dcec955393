"""The layouts ``yolo`` (boxes; polygons become the boxes around them) and ``yolo_polygons`` (a map of classes).

``path`` is a data.yaml (keys path, train/val/test, names), a folder with one, or a folder of ``images/`` and
``labels/`` with the same names below, with or without ``train/``, ``val/`` in each (``train/images`` does too). A
split in data.yaml may be a folder, a text file with a picture per line, or several of them. A picture without a text
file is not labelled; one with an empty file has nothing in it. In a map of classes what no polygon covers is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import SourceError, UsageError
from contracts.picture import Pixels
from contracts.polygon_pixels import class_map
from contracts.text import counted
from contracts.validation import read_file, read_yaml
from sources.datasets.fileset import (
    Boxes,
    BoxFileSet,
    Entry,
    FileSet,
    MissingSplitError,
    name_of,
    naming_cure,
    naturally,
    pictures_in,
)
from sources.datasets.place import Where
from sources.datasets.sample import BOXES
from sources.datasets.yolo_text import boxes_around, read_outlines
from sources.picturefiles import ENDINGS

MAP = "classes"
"""Head of the map of classes, as DDRNet calls it."""
_LISTS = (".txt", ".lst")
_HIGHEST_ID = 254


class YoloBoxes(BoxFileSet):
    """Boxes, and boxes around polygons."""

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """None where there is no text file."""
        path = entry.labels.get(BOXES)
        return boxes_around(read_outlines(path), width, height) if path else None


class YoloPolygons(FileSet):
    """A map of classes from polygons."""

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """Empty where there is no text file."""
        path = entry.labels.get(MAP)
        return {MAP: map_of(path, width, height)} if path else {}


def map_of(path: Path, width: int, height: int, background: int = 0) -> Pixels:
    """A map of classes from a text file of polygons, later ones over earlier ones. Raises SourceError."""
    outlines = read_outlines(path)
    for outline in outlines:
        if not 0 <= outline.class_id <= _HIGHEST_ID:
            raise SourceError(f"{path}: class {outline.class_id} does not fit into a map", f"0 to {_HIGHEST_ID} do")
    shapes = ((outline.class_id, outline.points * (width, height)) for outline in outlines)
    return class_map(shapes, width, height, background)


def open_set(where: Where) -> FileSet:
    """A split of a set in one of these layouts. Raises SourceError, UsageError."""
    head = MAP if where.layout == "yolo_polygons" else BOXES
    described, facts = _described(Path(where.path))
    pictures = _listed(described, facts, where.split) if facts.get(where.split) else _found(described, where.split)
    classes = where.classes.get(head) or _counted_names(facts, described)
    if not classes:
        raise UsageError(f"{where.path} does not name its classes", naming_cure(head))
    entries = tuple(_entry(picture, described, head) for picture in pictures)
    return (YoloPolygons if head == MAP else YoloBoxes)(described, entries, {head: classes})


def _described(path: Path) -> tuple[Path, Mapping[str, Any]]:
    """(root, what its data.yaml says). Raises SourceError, UsageError."""
    candidates = [path] if path.is_file() else [path / name for name in ("data.yaml", "data.yml", "dataset.yaml")]
    file = next((each for each in candidates if each.is_file()), None)
    if file is None:
        if not path.is_dir():
            raise SourceError(f"{path} is neither a folder nor a data.yaml", "check the path")
        return path, {}
    facts = read_yaml(read_file(file, "data.yaml", UsageError), str(file), UsageError)
    written = Path(str(facts.get("path") or "."))
    root = file.parent / written
    return (root if root.is_dir() else file.parent), facts  # the folder may have moved since it was written


def _counted_names(facts: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    """Raises UsageError where data.yaml says another number of classes than it has names."""
    names, said = _names(facts, root), facts.get("nc")
    if names and said is not None and said != len(names):
        why = f"the data.yaml in {root} says nc: {said} and names {counted(len(names), 'class', 'classes')}"
        raise UsageError(f"{why}: {', '.join(names)}", "mend nc: or names:, whichever is wrong")
    return names


def _names(facts: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    """From data.yaml (a list, or ids and names) or classes.txt; none where neither says them."""
    names = facts.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        return tuple(str(names[class_id]) for class_id in range(len(names)))
    if isinstance(names, list):
        return tuple(map(str, names))
    if names is not None:
        raise UsageError(f"names: of the data.yaml in {root} are no list and no ids from 0", "write names: [car, bus]")
    for file in (root / "classes.txt", root / "labels" / "classes.txt"):
        if file.is_file():
            return tuple(
                line.strip() for line in read_file(file, "class names", UsageError).splitlines() if line.strip()
            )
    return ()


def _listed(root: Path, facts: Mapping[str, Any], split: str) -> list[Path]:
    """The pictures that data.yaml gives a split. Raises SourceError."""
    places = facts[split] if isinstance(facts[split], list) else [facts[split]]
    found: list[Path] = []
    for place in places:
        path = root / str(place)
        if not path.exists() and str(place).startswith("../"):  # one step too many, as some exporters write it
            path = root / str(place)[3:]
        found += _from_list(path) if path.suffix in _LISTS else pictures_in(path)
    if not found:
        raise MissingSplitError(
            f"no pictures in {', '.join(map(str, places))} below {root}", "check path: and the splits"
        )
    return naturally(dict.fromkeys(found))


def _from_list(path: Path) -> list[Path]:
    """A picture per line, relative to the list's folder; the first word where more follow."""
    lines = [line.strip() for line in read_file(path, "list of pictures", SourceError, names=True).splitlines()]
    first = [line if line.lower().endswith(ENDINGS) else line.split()[0] for line in lines if line]
    return [path.parent / name for name in first]


def _found(root: Path, split: str) -> list[Path]:
    """Where no data.yaml says it: images/SPLIT, SPLIT/images, or all of images/ if it has no splits."""
    other = {"val": "valid"}.get(split, split)
    for folder in (root / "images" / split, root / "images" / other, root / split / "images", root / other / "images"):
        if folder.is_dir():
            return _some(folder)
    images = root / "images"
    if images.is_dir() and split == "train" and not any((images / name).is_dir() for name in ("val", "valid", "test")):
        return _some(images)
    raise MissingSplitError(f"{root} has no images/{split} and no {split}/images", "check path and split")


def _some(folder: Path) -> list[Path]:
    found = pictures_in(folder)
    if not found:
        raise MissingSplitError(f"no pictures in {folder}", "check path and split")
    return found


def label_path(picture: Path) -> Path:
    """Where YOLO looks for the labels: the last ``images`` of the path becomes ``labels``."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            return Path(*parts).with_suffix(".txt")
    return picture.with_suffix(".txt")


def _entry(picture: Path, root: Path, head: str) -> Entry:
    relative = picture.relative_to(root) if picture.is_relative_to(root) else Path(*picture.parts[-2:])
    label = label_path(picture)
    return Entry(name_of(relative), picture, relative.parent.as_posix(), {head: label} if label.is_file() else {})
