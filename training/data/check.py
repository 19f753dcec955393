"""What is wrong with a labelled set, in a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from contracts.errors import SourceError
from contracts.picture import Pixels
from training.data.fileset import Boxes, Entry, FileSet, read_picture
from training.data.fingerprints import Fingerprint, fingerprint, near_pairs
from training.data.sample import BOXES, LABEL, UNCOUNTED
from training.data.view import View, remapped_mask, rules_of

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
    try:
        sample = samples[index]
    except SourceError as fault:
        return Examined(f"{samples.groups[index]} #{place}", (_fault("unreadable", "", fault),), None)
    whole = np.array([0, 0, sample.picture.shape[1], sample.picture.shape[0]])
    unlabelled = not sample.counts.any() and len(sample.boxes) == 1 and np.array_equal(sample.boxes[0], whole)
    heads = {*sample.masks, *([] if unlabelled else [BOXES])}
    missing = _missing(samples.classes, heads, sample.name)
    return Examined(
        sample.name, (*missing, *_of_masks(sample.masks, samples, "", sample.name)), fingerprint(sample.picture)
    )


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
            findings += _of_boxes(boxes, samples, entry, width, height)
    except SourceError as fault:
        findings.append(_fault("labels", entry.name, fault))
    try:
        masks = base.masks_of(entry, width, height)
        findings += _of_masks(masks, samples, entry.group, entry.name)
    except SourceError as fault:
        findings.append(_fault("labels", entry.name, fault))
    return Examined(entry.name, tuple(findings), fingerprint(picture))


def _fault(kind: str, name: str, fault: SourceError) -> Finding:
    return Finding("error", kind, name or "sample", fault.message)


def _cut_off(path: Path) -> Iterator[Finding]:
    """Decoders show the rest of such a picture as grey and say nothing."""
    ending = _ENDINGS.get(path.suffix.lower())
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(max(path.stat().st_size - _TAIL, 0))
        tail = file.read()
    named_right = start.startswith((b"\xff\xd8", b"\x89PNG"))
    if ending and named_right and ending not in tail:
        yield Finding("error", "unreadable", str(path), "is cut off: its end is missing")


def _missing(classes: Mapping[str, object], heads: Mapping[str, object] | set[str], name: str) -> Iterator[Finding]:
    for head in classes:
        if head not in heads and head != LABEL:
            yield Finding("warning", "missing", name, f"has no labels for {head}")


def _of_boxes(boxes: Boxes, samples: View, entry: Entry, width: int, height: int) -> Iterator[Finding]:
    rules, number = rules_of(samples.remap, BOXES, entry.group), len(samples.classes[BOXES])
    where = str(entry.labels.get(BOXES, entry.name))
    if where.endswith(".json"):
        where = f"{where} {entry.name}"
    if not len(boxes.class_ids):
        yield Finding("warning", "empty", where, "has no boxes")
    seen = set()
    rows = zip(boxes.corners.tolist(), boxes.class_ids.tolist(), boxes.counts, strict=True)
    for line, (corners, written, counts) in enumerate(rows, 1):
        left, top, right, bottom = corners
        kind = rules.get(written, written)
        if counts and kind != UNCOUNTED and not 0 <= kind < number:
            yield Finding("error", "class", where, f"box {line} has class {kind}, and there are {number}")
        if min(right - left, bottom - top) <= 0:
            yield Finding("error", "range", where, f"box {line} has no area")
        if min(left, top) < -OUTSIDE or right > width + OUTSIDE or bottom > height + OUTSIDE:
            said = " ".join(f"{number:.1f}" for number in corners)
            yield Finding("error", "range", where, f"box {line} leaves its picture of {width}x{height}: {said}")
        if (kind, *corners) in seen:
            yield Finding("warning", "twice", where, f"box {line} stands there twice")
        seen.add((kind, *corners))


def _of_masks(masks: Mapping[str, Pixels], samples: View, group: str, name: str) -> Iterator[Finding]:
    """group: of the ids in the files; empty where they are remapped already."""
    for head, mask in masks.items():
        number = len(samples.classes[head])
        ids = np.unique(remapped_mask(mask, rules_of(samples.remap, head, group)) if group else mask)
        strange = ids[(ids >= number) & (ids != UNCOUNTED)]
        if len(strange):
            said = ", ".join(map(str, strange))
            yield Finding("error", "class", name, f"{head} has pixels of class {said}, and there are {number}")
        if (ids == UNCOUNTED).all():
            yield Finding("warning", "empty", name, f"no pixel of {head} counts")


def copies(splits: Mapping[str, Sequence[Examined]], near: int) -> Iterator[Finding]:
    """Pictures that are in two splits (an error), look the same in two (a warning) or are twice in one (a warning)."""
    everything = [(split, each, each.print) for split, found in splits.items() for each in found if each.print]
    first: dict[str, tuple[str, str]] = {}
    for split, each, mark in everything:
        other = first.setdefault(mark.exact, (split, each.name))
        if other != (split, each.name):
            severity: Severity = "error" if other[0] != split else "warning"
            yield Finding(severity, "copy", f"{split}: {each.name}", f"is the same picture as {other[0]}: {other[1]}")
    for one, two in near_pairs([mark.look for _, _, mark in everything], near):
        (split, each, mark), (other_split, other_each, other_mark) = everything[one], everything[two]
        if split != other_split and mark.exact != other_mark.exact:
            text = f"looks like {split}: {each.name}"
            yield Finding("warning", "near", f"{other_split}: {other_each.name}", text)
