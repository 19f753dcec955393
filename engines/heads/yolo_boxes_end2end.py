"""yolo_boxes_end2end: [1, N, 6], rows of x1, y1, x2, y2 in network pixels, score, class (v10, 26); no suppression."""

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

_MAX_CLASSES = 1 << 16
"""A class number beyond this is noise, not a class."""


class YoloBoxesEnd2End:
    """Boxes with score > ``thresholds.score``, as the network chose them; ``thresholds.iou`` has no meaning here."""

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Detections:
        """Outputs of one frame → Detections; rows with NaN or infinity are no boxes. Raises EngineError on a misfit."""
        wanted = "float32 [1, boxes, 6]"
        tensor = float_output(self._head, outputs, wanted)
        if tensor.ndim != 3 or tensor.shape[0] != 1 or tensor.shape[2] != 6:
            raise misfit(self._head, tensor, wanted)
        found = candidates_of(tensor[0], thresholds.score)
        return detections(found, self._head.classes, fit, thresholds, suppressing=False)


def candidates_of(rows: NDArray[np.float32], score: float) -> Candidates:
    """Rows (N, 6) with more than ``score`` whose numbers are finite and whose class is one."""
    classes = rows[:, 5]
    sound = np.isfinite(rows).all(axis=1) & (classes >= 0) & (classes < _MAX_CLASSES)
    places = np.flatnonzero(sound & (rows[:, 4] > score))
    chosen = rows[places]
    class_ids = np.rint(chosen[:, 5]).astype(np.intp)
    return Candidates(chosen[:, :4].astype(np.float64), chosen[:, 4], class_ids, places)
