"""road_agents: road users of three questions side by side, and prototypes; a mask per kept box.

[1, 4 + A + L + K + M, N]: centre and size in network pixels; scores 0 … 1 of A agents (what it is: the best one), of
L locations (where it is: the best one) and of K actions (what its lights say: each above ½); M coefficients of its
mask. The authors' own script overwrites a box's score with that of its location before it sorts, filters and
suppresses; here a box is as sure as its agent.
"""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit
from contracts.prediction import Attributes, InstanceMasks
from contracts.protocols import Tensors, Thresholds
from engines.heads import yolo_boxes
from engines.heads.candidates import choose
from engines.heads.instance_masks import boxes_and_prototypes, masks_of
from engines.heads.tensors import misfit

_LIT = 0.5
"""An action is there above it; each is a question of its own."""


class RoadAgents:
    """Boxes as ``yolo_boxes`` has them, with a mask each and ``attributes``: location (one) and actions (0 … K).

    Two tensors, told apart by their number of dimensions: boxes and prototypes [1, M, h, w]. A question whose names
    the card leaves out is not asked, and is no attribute.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> InstanceMasks:
        """Outputs of one frame → InstanceMasks whose detections have attributes. Raises EngineError on a misfit.

        Rows with NaN or infinity are no boxes; in prototypes NaN counts as 0.
        """
        rows, prototypes = self._tensors(outputs)
        ends = np.cumsum([4, *map(len, (self._head.classes, self._head.locations, self._head.actions))]).tolist()
        agents, locations, actions, coefficients = np.split(rows, ends[1:])
        found = yolo_boxes.candidates_of(agents, thresholds.score)
        found = found[np.flatnonzero(np.isfinite(rows[:, found.columns]).all(axis=0))]
        kept, part = choose(found, self._head.classes, fit, thresholds, suppressing=True)
        attributes = self._attributes(locations[:, kept.columns], actions[:, kept.columns])
        masks = masks_of(coefficients[:, kept.columns].T, prototypes, part.boxes, fit)
        return InstanceMasks(replace(part, attributes=attributes), masks)

    def _attributes(self, locations: NDArray[np.float32], actions: NDArray[np.float32]) -> tuple[Attributes, ...]:
        """Answers per box from scores (L, n) and (K, n)."""
        answers: list[dict[str, tuple[str, ...]]] = [{} for _ in range(locations.shape[1])]
        if self._head.locations:
            for answer, best in zip(answers, locations.argmax(axis=0).tolist(), strict=True):
                answer["location"] = (self._head.locations[best],)
        if self._head.actions:
            for answer, lit in zip(answers, (actions > _LIT).T.tolist(), strict=True):
                answer["actions"] = tuple(name for name, on in zip(self._head.actions, lit, strict=True) if on)
        return tuple(answers)

    def _tensors(self, outputs: Tensors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (4 + A + L + K + M, N) and prototypes (M, h, w)."""
        head = self._head
        counts = [len(names) for names in (head.classes, head.locations, head.actions)]
        wanted = f"float32 [1, 4 + {' + '.join(map(str, counts))} + M, boxes], and prototypes [1, M, h, w]"
        boxes, prototypes = boxes_and_prototypes(head, outputs, wanted)
        if len(boxes) != 4 + sum(counts) + len(prototypes):
            raise misfit(head, boxes[None], wanted)
        return boxes, prototypes
