"""FileSet: labelled pictures in files. A layout says where they lie and how labels are read; the rest is here."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.picture import Pixels
from sources.datasets.png import read_ids
from sources.datasets.sample import BOXES, Sample
from sources.picturefiles import ENDINGS, read_picture


class MissingSplitError(SourceError):
    """The set has no pictures, or no labels, of this split: nothing that a reader of all splits would mind."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture and where its labels lie.

    name: path relative to the set without ending, unique in it. group: what a split must not separate. labels: head →
    file, for heads that this picture is labelled for. label: class of the whole picture. company: files that are not
    read and go where the picture goes.
    """

    name: str
    picture: Path
    group: str
    labels: Mapping[str, Path] = field(default_factory=dict)
    label: int | None = None
    company: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes as the files have them, not cut at the picture's edge.

    corners: float64 (N, 4), x1 y1 x2 y2 in pixels. class_ids: int64 (N,). counts: bool (N,), as in Sample.
    """

    corners: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    counts: NDArray[np.bool_]

    @classmethod
    def of(cls, corners: Sequence[Sequence[float]], ids: Sequence[int], counts: Sequence[bool] | None = None) -> Boxes:
        """From plain lists; everything counts where ``counts`` is not given."""
        judged = np.ones(len(ids), np.bool_) if counts is None else np.array(counts, np.bool_)
        return cls(np.array(corners, np.float64).reshape(-1, 4), np.array(ids, np.int64), judged)


@dataclass(frozen=True, slots=True)
class FileSet(ABC):
    """A SampleSet over files, read when asked for. root: what the names of the entries are relative to."""

    root: Path
    entries: tuple[Entry, ...]
    classes: Mapping[str, tuple[str, ...]]

    @property
    def groups(self) -> tuple[str, ...]:
        """Of each entry."""
        return tuple(entry.group for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        entry = self.entries[index]
        return self.labelled(entry, read_picture(entry.picture))

    def labelled(self, entry: Entry, picture: Pixels) -> Sample:
        """The picture of an entry with its labels. Raises SourceError where these cannot be read."""
        height, width = picture.shape[:2]
        boxes = self._boxes_inside(entry, width, height)
        masks = self.masks_of(entry, width, height)
        return Sample(
            entry.name, picture, boxes.corners.astype(np.float32), boxes.class_ids, boxes.counts, masks, entry.label
        )

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """The boxes as the files have them, for a picture of this size; None: not labelled. Raises SourceError."""
        del entry, width, height
        return None

    @abstractmethod
    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """Head → uint8 (height, width) as the files have it, for the heads that are labelled. Raises SourceError."""

    def _boxes_inside(self, entry: Entry, width: int, height: int) -> Boxes:
        """Cut at the picture's edges; what has no area there goes. A picture that is not labelled does not count."""
        found = self.boxes_of(entry, width, height)
        if found is None:
            whole = ((0.0, 0.0, float(width), float(height)),) if BOXES in self.classes else ()
            return Boxes.of(whole, [0] * len(whole), [False] * len(whole))
        corners = np.clip(found.corners, 0, np.array([width, height, width, height]))
        there = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return Boxes(corners[there], found.class_ids[there], found.counts[there])


@dataclass(frozen=True, slots=True)
class BoxFileSet(FileSet):
    """A FileSet without masks."""

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """None."""
        del entry, width, height
        return {}


def read_mask(path: Path, width: int, height: int) -> Pixels:
    """uint8 (height, width) of a grey or palette PNG, its numbers as they are. Raises SourceError."""
    mask, _ = read_ids(path)
    if mask.shape != (height, width):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise SourceError(f"{path} is {size}, its picture {width}x{height}", "scale it (nearest) or remove it")
    return mask


def name_of(relative: Path) -> str:
    """A picture's name from where it lies: no ending, and no way out of a folder that it may be written to."""
    parts = [part for part in relative.with_suffix("").parts if part not in ("..", relative.anchor)]
    return Path(*parts).as_posix()


def pictures_in(folder: Path) -> list[Path]:
    """All pictures below a folder, in natural order; hidden files are none."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return naturally(path for path in found if not path.name.startswith("."))


def naturally(paths: Iterable[Path]) -> list[Path]:
    """Sorted as people count: frame9 before frame10."""
    found: list[Path] = sorted(paths, key=lambda path: natural_key(path.as_posix()))
    return found


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sorts runs of digits as numbers."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


def naming_cure(head: str) -> str:
    """What to do where a set does not name its classes: on the command line, in a training's configuration."""
    return f"give --classes {head}=car,bus (in a configuration classes: {{{head}: [car, bus]}})"


def required_folder(folder: Path, cure: str) -> Path:
    """The folder; raises SourceError where it is none."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder", cure)
    return folder


def split_folder(parent: Path, split: str) -> Path:
    """``parent/train``, ``parent/train2017`` and the like. Raises MissingSplitError that names what is there."""
    for folder in (parent / split, parent / f"{split}2017", parent / {"val": "valid"}.get(split, split)):
        if folder.is_dir():
            return folder
    there = sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
    cure = f"there are: {', '.join(there)}" if there else "give the folder of the whole set"
    raise MissingSplitError(f"{parent} has no folder {split!r}", cure)
