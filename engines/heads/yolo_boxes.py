"""yolo_boxes: [1, 4 + C, N], boxes as centre and size in network pixels, then C class scores (v8, 11, A-YOLOM)."""

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


class YoloBoxes:
    """Boxes with score > ``thresholds.score`` after suppression; a box is of the class that scores best for it."""

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Detections:
        """Outputs of one frame → Detections; rows with NaN or infinity are no boxes. Raises EngineError on a misfit."""
        classes = len(self._head.classes)
        wanted = f"float32 [1, 4 + {classes or 'classes'}, boxes]"
        tensor = float_output(self._head, outputs, wanted)
        if tensor.ndim != 3 or tensor.shape[0] != 1 or tensor.shape[1] < 5 or classes not in (0, tensor.shape[1] - 4):
            raise misfit(self._head, tensor, wanted)
        found = candidates_of(tensor[0], thresholds.score)
        return detections(found, self._head.classes, fit, thresholds, suppressing=True)


def candidates_of(rows: NDArray[np.float32], score: float) -> Candidates:
    """Columns of (4 + C, N) whose best class scores more than ``score``.

    The maximum over classes runs along contiguous rows and is the only pass over the whole tensor (2.7 MB for 80
    classes and 8400 boxes); everything else is done for the columns it leaves over.
    """
    passed = np.flatnonzero(rows[4:].max(axis=0) > score)
    passed = passed[np.isfinite(rows[:, passed]).all(axis=0)]
    columns = rows[:, passed]
    centre, half = columns[:2].T.astype(np.float64), columns[2:4].T.astype(np.float64) / 2
    scores = columns[4:]
    class_ids = scores.argmax(axis=0)
    return Candidates(np.hstack([centre - half, centre + half]), scores.max(axis=0), class_ids, passed)
