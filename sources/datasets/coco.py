"""The layout ``coco``: one JSON of images, annotations and categories.

``path`` is that JSON, or the folder that holds ``annotations/*SPLIT*.json`` (or one such JSON by itself). Pictures are
searched by ``file_name`` beside the JSON, in ``images/``, ``SPLIT/``, ``SPLIT2017/`` and ``images/SPLIT/`` of the
folder. Ids count the categories in the order of their COCO ids, from 0. A crowd is a region that does not count.
``width`` and ``height`` of an image, if there, must be the picture's.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import SourceError
from contracts.validation import read_file
from sources.datasets.fileset import Boxes, BoxFileSet, Entry, MissingSplitError, name_of, natural_key
from sources.datasets.place import Where
from sources.datasets.sample import BOXES

_LARGEST = 1e6
"""Of a coordinate, in pixels."""


@dataclass(frozen=True, slots=True)
class CocoSet(BoxFileSet):
    """boxes, sizes: of each entry, by its name; sizes as the file says them, (width, height).

    faults: entry → why it has no boxes: an annotation of it gives none.
    """

    boxes: Mapping[str, Boxes]
    faults: Mapping[str, str]
    sizes: Mapping[str, tuple[Any, Any]]

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """Every picture of the file is labelled. Raises SourceError where it was so at another size or wrongly."""
        if entry.name in self.faults:
            raise SourceError(self.faults[entry.name], "mend its bbox; data check names all such")
        said = self.sizes[entry.name]
        if None not in said and said != (width, height):
            raise SourceError(
                f"{entry.labels[BOXES]} says {said[0]}x{said[1]} of {entry.name}, the picture is {width}x{height}",
                "label it again, or give the pictures that were labelled",
            )
        return self.boxes[entry.name]


def open_set(where: Where) -> CocoSet:
    """A split of the set. Raises SourceError."""
    file, root = _located(Path(where.path), where.split)
    data = read_coco(file)
    categories = sorted(data["categories"], key=lambda category: int(category["id"]))
    ids = {int(category["id"]): number for number, category in enumerate(categories)}
    annotations: dict[int, list[Mapping[str, Any]]] = {int(image["id"]): [] for image in data["images"]}
    if len(ids) < len(categories) or len(annotations) < len(data["images"]):
        raise SourceError(f"{file}: two categories or two images have the same id", "mend the file")
    for annotation in data["annotations"]:
        of, category = int(annotation["image_id"]), int(annotation["category_id"])
        if of not in annotations or category not in ids:
            missing = f"image {of}" if of not in annotations else f"category {category}"
            raise SourceError(f"{file}: an annotation is of {missing}, which is not there", "mend the file")
        annotations[of].append(annotation)
    entries, boxes, faults, sizes = [], {}, {}, {}
    folders = _folders(root, file, where.split)
    for image in sorted(data["images"], key=lambda image: natural_key(str(image["file_name"]))):
        entry = _entry(str(image["file_name"]), folders, file)
        if entry.name in sizes:
            raise SourceError(f"{file}: two images are called {entry.name}", "mend the file")
        entries.append(entry)
        sizes[entry.name] = image.get("width"), image.get("height")
        try:
            boxes[entry.name] = _boxes(annotations[int(image["id"])], ids)
        except ValueError as fault:
            faults[entry.name] = f"{file}: {entry.name}: {fault}"
    classes = {BOXES: tuple(str(each["name"]) for each in categories)}
    return CocoSet(root, tuple(entries), classes, boxes, faults, sizes)


def read_coco(file: Path) -> Mapping[str, list[Mapping[str, Any]]]:
    """The three lists of a COCO file. Raises SourceError where they or their keys are missing."""
    needed = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ("image_id", "category_id")}
    try:
        data = json.loads(read_file(file, "COCO file", SourceError))
        for name, keys in needed.items():
            for part in data[name]:
                _ = [part[key] for key in keys]
                _ = [int(part[key]) for key in keys if key.endswith("id")]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as fault:
        raise SourceError(f"{file} is no COCO file: {fault!r}", "it has images, annotations and categories") from fault
    found: Mapping[str, list[Mapping[str, Any]]] = data
    return found


def box_of(annotation: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2 in pixels, from ``bbox`` or around the polygons of ``segmentation``. Raises ValueError."""
    if annotation.get("bbox"):
        numbers = [_sensible(number) for number in annotation["bbox"]]
        if len(numbers) != 4:
            raise ValueError(f"bbox has {len(numbers)} numbers, not 4")
        left, top, width, height = numbers
        return left, top, left + width, top + height
    polygons = annotation.get("segmentation")
    if not isinstance(polygons, list) or not any(polygons):
        raise ValueError("neither bbox nor polygons")
    rings = [[_sensible(number) for number in polygon] for polygon in polygons]
    across = [x for ring in rings for x in ring[::2]]
    down = [y for ring in rings for y in ring[1::2]]
    return min(across), min(down), max(across), max(down)


def _sensible(number: Any) -> float:
    """Raises ValueError, TypeError."""
    found = float(number)
    if not abs(found) < _LARGEST:
        raise ValueError(f"{reprlib.repr(number)} is no place in a picture")
    return found


def _boxes(annotations: Sequence[Mapping[str, Any]], ids: Mapping[int, int]) -> Boxes:
    """Raises ValueError that names the annotation."""
    corners = []
    for annotation in annotations:
        try:
            corners.append(box_of(annotation))
        except (ValueError, TypeError, OverflowError) as fault:
            which = f"annotation {reprlib.repr(annotation['id'])}" if "id" in annotation else "an annotation without id"
            raise ValueError(f"{which} has no box: {fault}") from fault
    counts = [not annotation.get("iscrowd") for annotation in annotations]
    return Boxes.of(corners, [ids[int(annotation["category_id"])] for annotation in annotations], counts)


def _located(path: Path, split: str) -> tuple[Path, Path]:
    """(the JSON, the folder of the set). Raises SourceError."""
    if path.is_file():
        return path, path.parent.parent if path.parent.name == "annotations" else path.parent
    for folder in (path / "annotations", path):
        found = sorted(folder.glob(f"*{split}*.json")) or (sorted(folder.glob("*.json")) if split == "train" else [])
        boxes = [file for file in found if file.name.startswith("instances")] or found
        if len(boxes) == 1:
            return boxes[0], path
        if boxes:
            raise MissingSplitError(
                f"{folder} has several for {split!r}: {', '.join(f.name for f in boxes)}", "give the file"
            )
    raise MissingSplitError(f"{path} has no annotations/*{split}*.json", "give the JSON itself")


def _folders(root: Path, file: Path, split: str) -> list[Path]:
    """Where pictures may lie, most usual first."""
    below = [root / "images" / split, root / f"{split}2017", root / "images" / f"{split}2017", root / split]
    return [folder for folder in (*below, root / "images", root, file.parent) if folder.is_dir()]


def _entry(file_name: str, folders: Iterable[Path], file: Path) -> Entry:
    """Where the picture is not found, the first place it was searched in: reading it says so.

    Raises SourceError for what is no file's name anywhere.
    """
    try:
        os.fsencode(file_name)
    except UnicodeEncodeError:
        possible = False
    else:
        possible = "\0" not in file_name
    if not possible:
        raise SourceError(f"{file}: no file can be called {file_name!r}", "mend its file_name")
    places = [folder / file_name for folder in folders]
    picture = next((place for place in places if place.is_file()), places[0])
    relative = Path(file_name)
    return Entry(name_of(relative), picture, relative.parent.as_posix(), {BOXES: file})
