"""Labels in another form, in a new folder: to YOLO text, to COCO, to maps of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError, UsageError
from contracts.text import encodable
from sources.datasets.fileset import Boxes, Entry, FileSet, naming_cure
from sources.datasets.sample import BOXES, UNCOUNTED
from sources.datasets.yolo import MAP, map_of
from sources.datasets.yolo_text import Outline, box_line, read_outlines
from sources.picturefiles import read_picture
from training.data.entries import Way, brought, entries_of
from training.data.progress import Say, worked
from training.data.view import Remap, View, remapped_ids, remapped_mask, rules_of
from training.data.writing import put_data_yaml, put_json, put_mask, put_text


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """One picture's boxes, remapped and cut at its edges; None: not labelled. polygons: of each box, where known."""

    entry: Entry
    width: int
    height: int
    boxes: Boxes | None
    polygons: tuple[Outline, ...] = ()


def to_yolo(sets: dict[str, View], output: Path, way: Way, say: Say) -> int:
    """images/SPLIT, labels/SPLIT and data.yaml; returns how many regions that do not count were left out.

    A picture without labels gets no text file. Raises SourceError, OutputError, UsageError.
    """
    names, left_out = _box_names(sets), 0
    for split, samples in sets.items():
        flat = _flat_names(entries_of(samples))
        for each in _read_all(samples, f"{split} to YOLO", say):
            name = flat[each.entry.name]
            brought(each.entry.picture, output / "images" / split / f"{name}{each.entry.picture.suffix}", way)
            if each.boxes is not None:
                left_out += int((~each.boxes.counts).sum())
                put_text(output / "labels" / split / f"{name}.txt", _yolo_text(each))
    put_data_yaml(output / "data.yaml", {split: f"images/{split}" for split in sets}, names)
    return left_out


def _yolo_text(labelled: _Labelled) -> str:
    boxes = labelled.boxes
    assert boxes is not None
    lines = [
        box_line(int(kind), corners.tolist(), labelled.width, labelled.height)
        for corners, kind, counts in zip(boxes.corners, boxes.class_ids, boxes.counts, strict=True)
        if counts
    ]
    return "".join(f"{line}\n" for line in lines)


def to_coco(sets: dict[str, View], output: Path, way: Way, say: Say) -> None:
    """SPLIT/ and annotations/instances_SPLIT.json; category ids count from 1. Polygons of YOLO text stay polygons.

    A region that does not count becomes a crowd; a picture without labels is left out, for COCO knows no such thing.
    Raises SourceError, OutputError, UsageError.
    """
    categories = [{"id": number, "name": name} for number, name in enumerate(_box_names(sets), 1)]
    for samples in sets.values():
        _require_utf8(entries_of(samples))
    for split, samples in sets.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        flat = _flat_names(entries_of(samples))
        for each in _read_all(samples, f"{split} to COCO", say):
            if each.boxes is None:
                continue
            file_name = f"{flat[each.entry.name]}{each.entry.picture.suffix}"
            brought(each.entry.picture, output / split / file_name, way)
            size = {"width": each.width, "height": each.height}
            images.append({"id": len(images) + 1, "file_name": file_name, **size})
            first = len(annotations) + 1
            annotations += [
                {"id": number, "image_id": len(images), **annotation}
                for number, annotation in enumerate(_annotations(each, len(categories)), first)
            ]
        data = {"images": images, "annotations": annotations, "categories": categories}
        put_json(output / "annotations" / f"instances_{split}.json", data)


def _require_utf8(entries: Sequence[Entry]) -> None:
    """Raises SourceError for a labelled picture that JSON cannot name."""
    for entry in entries:
        name = f"{entry.name}{entry.picture.suffix}"
        if BOXES in entry.labels and encodable(name) != name:
            shown = encodable(str(entry.picture))
            raise SourceError(f"the name of {shown} is not UTF-8, which COCO's JSON must be", "rename it")


def _annotations(labelled: _Labelled, kinds: int) -> list[dict[str, Any]]:
    boxes, found = labelled.boxes, []
    assert boxes is not None
    for place, (left, top, right, bottom) in enumerate(boxes.corners.tolist()):
        size = (right - left, bottom - top)
        annotation: dict[str, Any] = {
            "category_id": int(np.clip(boxes.class_ids[place], 0, kinds - 1)) + 1,  # of a crowd it may be any
            "bbox": [left, top, *size],
            "area": size[0] * size[1],
            "iscrowd": int(not boxes.counts[place]),
        }
        if labelled.polygons and not labelled.polygons[place].is_box:
            points = labelled.polygons[place].points * (labelled.width, labelled.height)
            annotation["segmentation"] = [points.reshape(-1).tolist()]
            annotation["area"] = _area(points)
        found.append(annotation)
    return found


def _outlines(entry: Entry) -> list[Outline]:
    path = entry.labels.get(BOXES)
    return read_outlines(path) if path is not None and path.suffix == ".txt" else []


def _area(points: NDArray[np.float64]) -> float:
    """Of a polygon (N, 2) that does not cross itself (shoelace formula)."""
    following = np.roll(points, -1, axis=0)
    return float(abs((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum()) / 2)


def to_masks(sets: dict[str, View], output: Path, background: int, say: Say) -> None:
    """labelmap/SPLIT/…png of polygon text, names as those of the pictures. Raises SourceError, OutputError."""
    for split, samples in sets.items():
        entries = [entry for entry in entries_of(samples) if MAP in entry.labels]
        if not entries:
            raise UsageError(f"{split} has no polygons in text files", "give a set in the layout yolo_polygons")
        targets = [output / "labelmap" / split / f"{name}.png" for name in _flat_names(entries).values()]

        def write(pair: tuple[Entry, Path], rules: Remap = samples.remap) -> None:
            height, width = read_picture(pair[0].picture).shape[:2]
            ids = map_of(pair[0].labels[MAP], width, height, background)
            put_mask(pair[1], remapped_mask(ids, rules_of(rules, MAP, pair[0].group)))

        for _ in worked(write, list(zip(entries, targets, strict=True)), f"{split} to masks", say):
            pass


def _box_names(sets: dict[str, View]) -> tuple[str, ...]:
    """Raises UsageError where a set has no boxes or the splits name them differently."""
    found = {samples.classes.get(BOXES, ()) for samples in sets.values()}
    if len(found) != 1 or () in found:
        raise UsageError("there are no boxes, or the splits name their classes differently", naming_cure(BOXES))
    return next(iter(found))


def _read_all(samples: View, what: str, say: Say) -> Iterator[_Labelled]:
    """In the order of the set. Raises SourceError."""
    items = list(enumerate(entries_of(samples)))
    return worked(lambda item: _read(samples, *item), items, what, say)


def _read(samples: View, index: int, entry: Entry) -> _Labelled:
    """Raises SourceError for an id that is none of the classes."""
    if not isinstance(samples.base, FileSet):
        sample = samples[index]
        boxes = Boxes(sample.boxes.astype(np.float64), sample.class_ids, sample.counts)
        height, width = sample.picture.shape[:2]
        return _Labelled(entry, width, height, boxes if BOXES in entry.labels else None)
    height, width = read_picture(entry.picture).shape[:2]
    raw = samples.base.boxes_of(entry, width, height)
    if raw is None:
        return _Labelled(entry, width, height, None)
    ids = remapped_ids(raw.class_ids, rules_of(samples.remap, BOXES, entry.group))
    counts = raw.counts & (ids != UNCOUNTED)
    strange = ids[counts & ((ids < 0) | (ids >= len(samples.classes[BOXES])))]
    if strange.size:
        raise SourceError(f"{entry.name}: class {strange[0]} is none of the set's", "give --classes or --remap")
    corners = np.clip(raw.corners, 0, np.array([width, height, width, height]))
    there = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
    outlines = _outlines(entry)
    polygons = tuple(outlines[place] for place in there) if outlines else ()
    return _Labelled(entry, width, height, Boxes(corners[there], ids[there], counts[there]), polygons)


def _flat_names(entries: Sequence[Entry]) -> dict[str, str]:
    """Name → the same without the folders all of them share. Raises UsageError where two become one."""
    parts = [Path(entry.name).parent.parts for entry in entries]
    shared = 0
    while parts and all(len(each) > shared and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    names = {entry.name: Path(*Path(entry.name).parts[shared:]).as_posix() for entry in entries}
    if len(names) < len(entries):
        twice = Counter(entry.name for entry in entries).most_common(1)[0][0]
        raise UsageError(f"two pictures are called {twice}: their labels would be one file", "rename one of them")
    return names
