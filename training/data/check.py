"""What is wrong with a labelled set, in a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from contracts.errors import SourceError
from contracts.picture import Pixels
from sources.datasets.fileset import Boxes, Entry, FileSet
from sources.datasets.sample import BOXES, LABEL, UNCOUNTED
from sources.picturefiles import read_picture
from training.data.fingerprints import Fingerprint, fingerprint, near_pairs
from training.data.view import View, remapped, remapped_ids, remapped_mask, rules_of

OUTSIDE = 0.5
"""Pixels that a box may reach beyond its picture: what rounding to six digits or to whole pixels does."""
_ENDINGS = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND"}
_TAIL = 1024

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """kind: a word to count and search by. where: a picture's name or a file."""

    severity: Severity
    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.text} [{self.kind}]"


@dataclass(frozen=True, slots=True)
class Examined:
    """One picture. print: None where it cannot be read."""

    name: str
    findings: tuple[Finding, ...]
    print: Fingerprint | None


def examine(samples: View, index: int) -> Examined:
    """Everything about one sample; never raises SourceError."""
    base, place = samples.base, samples.indices[index]
    if isinstance(base, FileSet):
        return _examine_files(base, samples, base.entries[place])
    group = samples.groups[index]
    try:
        sample = remapped(base[place], samples.remap, group)
    except SourceError as fault:
        return Examined(f"{group} #{place}", (_fault("unreadable", f"{group} #{place}", fault),), None)
    height, width = sample.picture.shape[:2]
    unlabelled = not sample.counts.any() and sample.boxes.tolist() == [[0, 0, width, height]]
    heads = {*sample.masks, *([] if unlabelled else [BOXES])}
    findings = [*_missing(samples.classes, heads, sample.name), *_of_masks(sample.masks, samples.classes, sample.name)]
    if BOXES in samples.classes and not unlabelled:
        boxes = Boxes(sample.boxes.astype(np.float64), sample.class_ids, sample.counts)
        findings += _of_boxes(boxes, len(samples.classes[BOXES]), sample.name, (width, height))
    return Examined(sample.name, tuple(findings), fingerprint(sample.picture))


def _examine_files(base: FileSet, samples: View, entry: Entry) -> Examined:
    """With what the files say before anything is cut or refused."""
    try:
        picture = read_picture(entry.picture)
    except SourceError as fault:
        return Examined(entry.name, (_fault("unreadable", entry.name, fault),), None)
    height, width = picture.shape[:2]
    findings = [*_cut_off(entry.picture), *_missing(samples.classes, entry.labels, entry.name)]
    try:
        boxes = base.boxes_of(entry, width, height)
        if boxes is not None:
            ids = remapped_ids(boxes.class_ids, rules_of(samples.remap, BOXES, entry.group))
            number, size = len(samples.classes[BOXES]), (width, height)
            findings += _of_boxes(replace(boxes, class_ids=ids), number, _where(entry), size)
    except SourceError as fault:
        findings.append(_fault("labels", entry.name, fault))
    try:
        masks = {
            head: remapped_mask(mask, rules_of(samples.remap, head, entry.group))
            for head, mask in base.masks_of(entry, width, height).items()
        }
        findings += _of_masks(masks, samples.classes, entry.name)
    except SourceError as fault:
        findings.append(_fault("labels", entry.name, fault))
    return Examined(entry.name, tuple(findings), fingerprint(picture))


def _fault(kind: str, name: str, fault: SourceError) -> Finding:
    return Finding("error", kind, name, fault.message)


def _cut_off(path: Path) -> Iterator[Finding]:
    """Decoders show the rest of such a picture as grey and say nothing."""
    ending = _ENDINGS.get(path.suffix.lower())
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(max(path.stat().st_size - _TAIL, 0))
        tail = file.read()
    named_right = start.startswith((b"\xff\xd8", b"\x89PNG"))
    if ending and named_right and ending not in tail and _ends_early(path):
        yield Finding("error", "unreadable", str(path), "is cut off: its end is missing")


def _ends_early(path: Path) -> bool:
    """Decoded by one that minds; phones put whole videos behind a picture's end."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            opened.load()
    except (OSError, SyntaxError):
        return True
    return False


def _missing(classes: Mapping[str, object], heads: Mapping[str, object] | set[str], name: str) -> Iterator[Finding]:
    for head in classes:
        if head not in heads and head != LABEL:
            yield Finding("warning", "missing", name, f"has no labels for {head}")


def _where(entry: Entry) -> str:
    """The file of the boxes, and the picture where that is one file for many."""
    path = entry.labels.get(BOXES)
    if path is None:
        return entry.name
    return f"{path} {entry.name}" if path.stem != entry.picture.stem else str(path)


def _of_boxes(boxes: Boxes, number: int, where: str, size: tuple[int, int]) -> Iterator[Finding]:
    """number: of classes. size: width and height of the picture."""
    if not len(boxes.class_ids):
        yield Finding("warning", "empty", where, "has no boxes")
    seen = set()
    rows = zip(boxes.corners.tolist(), boxes.class_ids.tolist(), boxes.counts, strict=True)
    for line, (corners, kind, counts) in enumerate(rows, 1):
        left, top, right, bottom = corners
        if counts and kind != UNCOUNTED and not 0 <= kind < number:
            yield Finding("error", "class", where, f"box {line} has class {kind}, and there are {number}")
        if min(right - left, bottom - top) <= 0:
            yield Finding("error", "range", where, f"box {line} has no area")
        if min(left, top) < -OUTSIDE or right > size[0] + OUTSIDE or bottom > size[1] + OUTSIDE:
            said = " ".join(f"{corner:.1f}" for corner in corners)
            yield Finding("error", "range", where, f"box {line} leaves its picture of {size[0]}x{size[1]}: {said}")
        if (kind, *corners) in seen:
            yield Finding("warning", "twice", where, f"box {line} stands there twice")
        seen.add((kind, *corners))


def _of_masks(masks: Mapping[str, Pixels], classes: Mapping[str, Sequence[str]], name: str) -> Iterator[Finding]:
    for head, mask in masks.items():
        number, ids = len(classes[head]), np.unique(mask)
        strange = ids[(ids >= number) & (ids != UNCOUNTED)]
        if len(strange):
            said = ", ".join(map(str, strange))
            yield Finding("error", "class", name, f"{head} has pixels of class {said}, and there are {number}")
        if (ids == UNCOUNTED).all():
            yield Finding("warning", "empty", name, f"no pixel of {head} counts")


def orphans(sets: Sequence[View]) -> Iterator[Finding]:
    """Label files beside those that are used, of no picture of any split: splits may share a folder."""
    used = set()
    for base in (samples.base for samples in sets):
        if isinstance(base, FileSet):
            files = {path for entry in base.entries for path in entry.labels.values()}
            if len(files) >= min(2, len(base.entries)):  # else one file for all pictures
                used |= files
    for folder, ending in sorted({(path.parent, path.suffix) for path in used}):
        for path in sorted(folder.glob(f"*{ending}")):
            if path not in used and path.name not in ("classes.txt", "notes.json"):
                yield Finding("warning", "orphan", str(path), "is of no picture")


def copies(splits: Mapping[str, Sequence[Examined]], near: int) -> Iterator[Finding]:
    """Pictures that are in two splits (an error), look the same in two (a warning) or are twice in one (a warning)."""
    everything = [(split, each, each.print) for split, found in splits.items() for each in found if each.print]
    first: dict[str, tuple[str, str]] = {}
    for split, each, mark in everything:
        other = first.setdefault(mark.exact, (split, each.name))
        if other != (split, each.name):
            severity: Severity = "error" if other[0] != split else "warning"
            yield Finding(severity, "copy", f"{split}: {each.name}", f"is the same picture as {other[0]}: {other[1]}")
    for one, two in near_pairs([mark.look for _, _, mark in everything], near) if near else ():
        (split, each, mark), (other_split, other_each, other_mark) = everything[one], everything[two]
        if split != other_split and mark.exact != other_mark.exact:
            text = f"looks like {split}: {each.name}"
            yield Finding("warning", "near", f"{other_split}: {other_each.name}", text)
