"""classification: [1, C], one score per class for the whole frame (ResNet, EfficientNet, YOLOv8-cls …)."""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit
from contracts.prediction import Classification
from contracts.protocols import Tensors, Thresholds
from engines.heads.tensors import float_output, misfit

_TOP = 5
_SLACK = 0.01
"""How far rounding may push a probability out of 0 … 1; eight bits have steps of 0.004."""


class TopFive:
    """[1, C] → Classification: the five best classes, best first, of equal ones the lower id.

    Scores are probabilities: as the network gives them where all lie within 0 … 1 (softmax, or sigmoids that need
    not sum to 1), else through softmax, because then they are logits. Our own exports give probabilities. A class
    whose score is not finite is none of the best. ``thresholds`` are for boxes and change nothing here.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Classification:
        """Outputs of one frame → Classification. Raises EngineError on a misfit."""
        head = self._head
        wanted = f"float32 [1, {len(head.classes) or 'classes'}]"
        tensor = float_output(head, outputs, wanted)
        if tensor.ndim != 2 or tensor.shape[0] != 1 or len(head.classes) not in (0, tensor.shape[1]):
            raise misfit(head, tensor, wanted)
        scores = tensor[0]
        finite = np.flatnonzero(np.isfinite(scores))
        probabilities = _probabilities(scores[finite])
        best = np.argsort(-probabilities, kind="stable")[:_TOP]
        return Classification(finite[best].astype(np.int32), probabilities[best], head.classes, head.texts)


def _probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite scores (C,) → 0 … 1, in memory of their own."""
    if not scores.size or (scores.min() >= -_SLACK and scores.max() <= 1 + _SLACK):
        return scores.clip(0, 1)
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())
