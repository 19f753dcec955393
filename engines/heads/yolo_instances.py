"""yolo_instances: boxes with coefficients, and prototypes; a mask per kept box (YOLOv8-seg, 11-seg, 26-seg)."""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit
from contracts.prediction import InstanceMasks
from contracts.protocols import Tensors, Thresholds
from engines.heads import yolo_boxes, yolo_boxes_end2end
from engines.heads.candidates import choose
from engines.heads.instance_masks import boxes_and_prototypes, masks_of
from engines.heads.tensors import misfit


class YoloInstances:
    """Boxes as ``yolo_boxes`` (or, finished, as ``yolo_boxes_end2end``) has them, with a mask each.

    Two tensors, told apart by their number of dimensions: prototypes [1, M, h, w], and boxes either
    [1, 4 + C + M, N] (suppressed here) or [1, K, 6 + M] (chosen by the network; ``thresholds.iou`` has no meaning).
    A box may have an empty mask; it is kept.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> InstanceMasks:
        """Outputs of one frame → InstanceMasks. Raises EngineError on a misfit.

        Rows with NaN or infinity are no boxes; in prototypes NaN counts as 0.
        """
        rows, prototypes = self._tensors(outputs)
        basis = len(prototypes)
        finished = rows.shape[1] == 6 + basis
        if finished:
            found = yolo_boxes_end2end.candidates_of(rows[:, :6], thresholds.score)
            rows = rows.T
        else:
            found = yolo_boxes.candidates_of(rows[:-basis], thresholds.score)
        found = found[np.flatnonzero(np.isfinite(rows[-basis:, found.columns]).all(axis=0))]
        kept, part = choose(found, self._head.classes, fit, thresholds, suppressing=not finished)
        masks = masks_of(rows[-basis:, kept.columns].T, prototypes, part.boxes, fit)
        return InstanceMasks(part, masks)

    def _tensors(self, outputs: Tensors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (4 + C + M, N) or (K, 6 + M), and prototypes (M, h, w)."""
        head, classes = self._head, len(self._head.classes)
        wanted = f"float32 [1, 4 + {classes or 'classes'} + M, boxes] or [1, boxes, 6 + M], and prototypes [1, M, h, w]"
        boxes, prototypes = boxes_and_prototypes(head, outputs, wanted)
        (rows, columns), basis = boxes.shape, len(prototypes)
        if columns != 6 + basis and (rows < 5 + basis or classes not in (0, rows - 4 - basis)):
            raise misfit(head, boxes[None], wanted)
        return boxes, prototypes
