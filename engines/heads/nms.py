"""Non-maximum suppression: of boxes that overlap much, only the best stays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.overlap import Boxes, overlaps

_BLOCK = 128
"""Boxes compared with one another at once: 128² overlaps stay in the cache."""


def best_first(scores: NDArray[Any]) -> NDArray[np.intp]:
    """Indices by falling score; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


def suppress(boxes: Boxes, groups: NDArray[np.integer[Any]] | None, iou: float, limit: int) -> NDArray[np.intp]:
    """Greedy suppression: indices of the boxes that stay, in the order given.

    boxes: float64 (n, 4), x1 y1 x2 y2, best score first. groups: (n,); only boxes of one group suppress one another
    (classes); None: all do. A box goes when its overlap with a better one that stayed is greater than ``iou``; the
    search ends when ``limit`` boxes have stayed. Blocks are compared with what stayed, then within themselves, so
    memory is ≤ limit × 128 overlaps, whatever comes in.
    """
    kept = np.zeros(0, np.intp)
    for start in range(0, len(boxes), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(boxes)))
        block = block[~_clashes(boxes, groups, kept, block, iou).any(axis=0)]
        stays = _greedy(_clashes(boxes, groups, block, block, iou))
        kept = np.concatenate([kept, block[stays]])
        if len(kept) >= limit:
            break
    return kept[:limit]


def _clashes(
    boxes: Boxes,
    groups: NDArray[np.integer[Any]] | None,
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    iou: float,
) -> NDArray[np.bool_]:
    """Which pairs cannot both stay: bool (len(first), len(second))."""
    clashes = overlaps(boxes[first], boxes[second]) > iou
    if groups is not None:
        clashes &= groups[first][:, None] == groups[second][None, :]
    return clashes


def _greedy(clashes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Who stays among boxes in order of score: bool (n,), given who clashes with whom (n, n)."""
    stays = np.ones(len(clashes), np.bool_)
    for index, row in enumerate(clashes):
        if stays[index]:
            stays[index + 1 :] &= ~row[index + 1 :]
    return stays
