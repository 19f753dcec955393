"""BoxRecord: one picture's labelled and predicted boxes, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.overlap import overlaps

MATCH = 0.5
"""IoU from which a predicted box is the labelled one; share of a predicted box inside a region that does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxRecord:
    """boxes: float64 (N, 4), class_ids int64 (N,): what is to be found. regions: float64 (R, 4), not judged.

    found: float64 (M, 4), found_ids int64 (M,), scores float32 (M,): what was predicted, best first. Boxes are
    x1 y1 x2 y2 in frame pixels, ids indices of the vocabulary.
    """

    boxes: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    regions: NDArray[np.float64]
    found: NDArray[np.float64]
    found_ids: NDArray[np.int64]
    scores: NDArray[np.float32]


def matches(record: BoxRecord, *, any_class: bool = False) -> NDArray[np.int64]:
    """Per predicted box the index of the labelled one it is, int64 (M,); -1: none, -2: it lies where nothing counts.

    Best score first, each takes the free box it overlaps most, from IoU ½ (as COCO does). any_class: of whatever
    class, else of the same only.
    """
    ious = overlaps(record.boxes, record.found)
    if not any_class:
        ious[record.class_ids[:, None] != record.found_ids[None, :]] = 0
    result = np.where(_inside(record.found, record.regions), np.int64(-2), np.int64(-1))
    if not len(record.boxes):
        return result
    for index in range(len(record.found)):
        best = int(ious[:, index].argmax())
        if ious[best, index] >= MATCH:
            result[index] = best
            ious[best] = 0  # taken
    return result


def _inside(boxes: NDArray[np.float64], regions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes (M, 4) have half their area or more in one of the regions (R, 4): bool (M,)."""
    first, second = boxes[:, None], regions[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.maximum(sides, 0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray((shared >= MATCH * areas[:, None]).any(axis=1) & (areas > 0))
