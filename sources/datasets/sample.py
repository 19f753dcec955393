"""Sample and SampleSet: labelled pictures, whatever layout they lie in on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.picture import Pixels

UNCOUNTED = 255
"""In a mask: this pixel teaches nothing and is not judged."""
BOXES = "boxes"
"""Key of the box classes in ``SampleSet.classes``."""
LABEL = "label"
"""Key of the classes of whole pictures in ``SampleSet.classes``."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One labelled picture.

    name: unique in its set, a path without ending relative to the set's root ("train/drive_004"). picture: uint8
    (H, W, 3), BGR. boxes: float32 (N, 4), x1 y1 x2 y2 in pixels. class_ids: int64 (N,). counts: bool (N,); False: a
    region in which nothing is judged, neither hit nor miss (its class does not matter). masks: head name → uint8
    (H, W) of class ids, 255 where it does not count; two-class masks are 0 and 1. label: class of the whole picture.

    A picture without box labels (not: with no objects) has one region over all of it that does not count; a head
    that is not labelled is absent from ``masks``.
    """

    name: str
    picture: Pixels
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    class_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    masks: Mapping[str, Pixels] = field(default_factory=dict)
    label: int | None = None


class SampleSet(Protocol):
    """Labelled pictures that are read when asked for. Indexing may happen in other processes: sets are picklable."""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Class names in the order of their ids: under ``BOXES``, ``LABEL`` and the names of masks."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Per sample, the drive, video or folder it belongs to: neighbours that a split must not separate."""

    def __len__(self) -> int:
        """How many samples there are."""

    def __getitem__(self, index: int) -> Sample:
        """Reads one. Raises SourceError where its picture or labels cannot be read."""


def require_known(sample: Sample, classes: Mapping[str, tuple[str, ...]]) -> None:
    """Raises SourceError where an id is none of its head's classes."""
    boxes = sample.class_ids[sample.counts]
    _require_below(boxes, BOXES, classes, sample)
    for head, mask in sample.masks.items():
        highest = int((mask + np.uint8(1)).max(initial=0)) - 1  # 255 does not count: it becomes 0 here
        _require_below(np.array([max(highest, 0)], np.int64), head, classes, sample)
    if sample.label is not None:
        _require_below(np.array([sample.label], np.int64), LABEL, classes, sample)


def _require_below(ids: NDArray[np.int64], head: str, classes: Mapping[str, tuple[str, ...]], sample: Sample) -> None:
    number = len(classes.get(head, ()))
    strange = ids[(ids < 0) | (ids >= number)]
    if strange.size:
        raise SourceError(
            f"{sample.name}: {head} has class {strange[0]}, and there are {number}",
            "name all classes (classes: of the set) or give it another id (remap:)",
        )
