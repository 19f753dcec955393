"""anchor_boxes: [1, N, 5 + C], rows of centre, size, objectness and C class scores (YOLOv5, YOLOP), decoded.

Only this form is read: centre and size in network pixels, objectness and class scores between 0 and 1. Files that
leave the raw levels (1, 3, h, w, 5 + C) to their user hold neither anchors nor strides: export them decoded.
"""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit
from contracts.prediction import Detections
from contracts.protocols import Tensors, Thresholds
from engines.heads.candidates import Candidates, detections
from engines.heads.tensors import float_output, misfit


class AnchorBoxes:
    """Boxes with objectness × class score > ``thresholds.score`` after suppression; the best class counts."""

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Detections:
        """Outputs of one frame → Detections; rows with NaN or infinity are no boxes. Raises EngineError on a misfit."""
        classes = len(self._head.classes)
        wanted = f"float32 [1, boxes, 5 + {classes or 'classes'}] (decoded, no raw levels)"
        tensor = float_output(self._head, outputs, wanted)
        if tensor.ndim != 3 or tensor.shape[0] != 1 or tensor.shape[2] < 6 or classes not in (0, tensor.shape[2] - 5):
            raise misfit(self._head, tensor, wanted)
        found = _candidates(tensor[0], thresholds.score)
        return detections(found, self._head.classes, fit, thresholds, suppressing=True)


def _candidates(rows: NDArray[np.float32], score: float) -> Candidates:
    """Rows of (N, 5 + C) whose objectness × best class score is more than ``score``.

    A class score is at most 1, so no row passes whose objectness does not: one number per row is all that is looked
    at of most rows (8.6 MB for 80 classes and 25,200 boxes).
    """
    places = np.flatnonzero(rows[:, 4] > score)
    places = places[np.isfinite(rows[places]).all(axis=1)]
    passed = rows[places]
    scores = passed[:, 5:] * passed[:, 4:5]
    best = scores.max(axis=1, initial=0)
    chosen = np.flatnonzero(best > score)
    centre, half = passed[chosen, :2].astype(np.float64), passed[chosen, 2:4].astype(np.float64) / 2
    class_ids = scores[chosen].argmax(axis=1)
    return Candidates(np.hstack([centre - half, centre + half]), best[chosen], class_ids, places[chosen])
