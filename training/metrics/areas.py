"""Areas: a two-class mask against its labels, pixel by pixel, at the resolution of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.prediction import Mask, Part
from sources.datasets.sample import UNCOUNTED, Sample
from training.metrics.measure import Details, Figures, misfit
from training.metrics.ratio import ratio

Counts = NDArray[np.int64]
"""int64 (4,): pixels that are true positive, false positive, false negative, true negative."""


class Areas:
    """IoU = TP / (TP + FP + FN); accuracy = (TP + TN) / all counted pixels; precision, recall as everywhere.

    Summed over all pictures first (not a mean of pictures). Pixels of 255 do not count. key: of the masks in samples.
    """

    def __init__(self, head: str, key: str) -> None:
        self._head, self._key = head, key

    def record(self, truth: Sample, part: Part) -> Counts | None:
        """One picture's pixels; None where the head is not labelled there."""
        if self._key not in truth.masks:
            return None
        labels = truth.masks[self._key]
        return pixel_counts(labels, mask_on_frame(self._head, part, labels))

    def figures(self, records: Sequence[Counts]) -> Figures:
        """iou, accuracy, precision, recall; pictures: how many had a counted pixel."""
        hit, extra, missed, rest = sum(records, np.zeros(4, np.int64)).tolist()
        return {
            "iou": ratio(hit, hit + extra + missed),
            "accuracy": ratio(hit + rest, hit + extra + missed + rest),
            "precision": ratio(hit, hit + extra),
            "recall": ratio(hit, hit + missed),
            "pictures": sum(bool(record.any()) for record in records),
        }

    def details(self, records: Sequence[Counts]) -> Details:
        """The confusion matrix in pixels."""
        hit, extra, missed, rest = sum(records, np.zeros(4, np.int64)).tolist()
        names = ("background", self._head)
        return Details(
            truth_names=names, predicted_names=names, confusion=np.array([[rest, extra], [missed, hit]], np.int64)
        )

    def goodness(self, record: Counts) -> float:
        """IoU."""
        return self.figures([record])["iou"]


def pixel_counts(labels: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> Counts:
    """TP, FP, FN, TN of two masks uint8 (H, W); in ``labels`` 255 does not count."""
    counted, wanted, found = labels != UNCOUNTED, labels == 1, predicted != 0
    hit = np.count_nonzero(wanted & found)
    extra = np.count_nonzero(found & counted) - hit
    missed = np.count_nonzero(wanted) - hit
    return np.array([hit, extra, missed, np.count_nonzero(counted) - hit - extra - missed], np.int64)


def mask_on_frame(head: str, part: Part, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A predicted mask in the pixels of its labels, uint8 (H, W) of 0 and 1. Raises EngineError for another part."""
    if not isinstance(part, Mask):
        raise misfit(head, part, "two classes")
    found = part.on_frame()
    if found.shape != labels.shape:
        raise misfit(head, part, f"{labels.shape[1]}×{labels.shape[0]} pixels")
    return found
