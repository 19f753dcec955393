"""Boxes held against those an original program left over after its own suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Stretch
from contracts.overlap import overlaps
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.heads.open import open_head

_SHIFT = 1024
"""Originals do not clip; so far from the frame's edge nothing is."""


def unlike_boxes(tensor: NDArray[Any], names: tuple[str, ...], expected: NDArray[Any]) -> int:
    """How many boxes differ between ``anchor_boxes`` [1, N, 5 + C], decoded here, and those expected; 0 is the goal.

    expected: (M, 6) x1, y1, x2, y2, score, class, found with score 0.25, IoU 0.45 and at most 300, in any order.
    Alike: one and the same class, IoU > 0.999, scores within 1e-5; each box has one partner of its own. The originals
    move every class 7680 px aside in float32, which costs them up to 0.03 px: a box whose overlap is that close to
    0.45 may be left over on one side, and push another one over the limit of 300 there.
    """
    found = _decoded(tensor, names)
    alike = overlaps(found[:, :4], expected[:, :4]) > 0.999
    alike &= np.abs(found[:, 4:5] - expected[:, 4]) < 1e-5
    alike &= found[:, 5:] == expected[:, 5]
    assert (alike.sum(axis=0) <= 1).all()
    left = [*found[~alike.any(axis=1)], *expected[~alike.any(axis=0)]]
    everything = np.concatenate([found, expected])
    cut = found[-1, 4] if len(found) == 300 else 0.0
    return sum(not _close_call(row, everything) and row[4] > cut for row in left)


def _decoded(tensor: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.float64]:
    """(n, 6) x1, y1, x2, y2, score, class."""
    moved = np.array(tensor, np.float32)
    moved[..., :2] += _SHIFT
    head = open_head(HeadCard(name="boxes", kind="anchor_boxes", classes=names))
    part = head.decode({"boxes": moved}, Stretch(4096, 4096, 4096, 4096), (4096, 4096), Thresholds())
    assert isinstance(part, Detections)
    return np.column_stack([part.boxes.astype(np.float64) - _SHIFT, part.scores, part.class_ids])


def _close_call(row: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    rivals = others[others[:, 5] == row[5]]
    return bool((np.abs(overlaps(row[None, :4], rivals[:, :4]) - 0.45) < 1e-3).any())
