"""Lane lines: a few pixels wide, so a hit may be a little beside the label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.prediction import Part
from sources.datasets.sample import UNCOUNTED, Sample
from training.metrics.areas import Areas, mask_on_frame, pixel_counts
from training.metrics.measure import Details, Figures
from training.metrics.ratio import mean, ratio

TOLERANCE = 3.0
"""Pixels at a width of 640, across and along alike (a square of 7 around a pixel); it grows with the picture."""
_WIDTH = 640

Counts = NDArray[np.int64]
"""int64 (7,): TP, FP, FN, TN of the plain masks, then TP, FP, FN with tolerance."""


class Lanes:
    """Plain and tolerant IoU, summed over all pictures, and two accuracies. Pixels of 255 do not count.

    tolerant_iou = TP / (TP + FP + FN) with TP: predicted counted pixels within 3 px (at a width of 640, in x and in y)
    of a labelled one; FP: the other predicted ones; FN: labelled pixels farther than that from any predicted one.
    balanced_accuracy = (TP/(TP+FN) + TN/(TN+FP)) / 2, "lane accuracy" as YOLOP (arXiv:2108.11250) has it;
    accuracy = (TP + TN) / all. Both are of the plain masks, without tolerance.
    """

    def __init__(self, head: str, key: str) -> None:
        self._head, self._key = head, key
        self._plain = Areas(head, key)

    def record(self, truth: Sample, part: Part) -> Counts | None:
        """One picture's pixels; None where lanes are not labelled there."""
        if self._key not in truth.masks:
            return None
        labels = truth.masks[self._key]
        predicted = mask_on_frame(self._head, part, labels)
        return np.concatenate([pixel_counts(labels, predicted), tolerant_counts(labels, predicted)])

    def figures(self, records: Sequence[Counts]) -> Figures:
        """tolerant_iou, iou, balanced_accuracy, accuracy, precision, recall, pictures."""
        hit, extra, missed, rest, near, beside, lost = sum(records, np.zeros(7, np.int64)).tolist()
        plain = self._plain.figures([record[:4] for record in records])
        both = [ratio(hit, hit + missed), ratio(rest, rest + extra)]
        return {
            "tolerant_iou": ratio(near, near + beside + lost),
            "balanced_accuracy": mean(both),
            **plain,
        }

    def details(self, records: Sequence[Counts]) -> Details:
        """The confusion matrix in pixels, without tolerance."""
        return self._plain.details([record[:4] for record in records])

    def goodness(self, record: Counts) -> float:
        """Tolerant IoU."""
        return self.figures([record])["tolerant_iou"]


def tolerant_counts(labels: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> Counts:
    """TP, FP, FN within tolerance, int64 (3,); masks uint8 (H, W), in ``labels`` 255 does not count."""
    reach = math.floor(TOLERANCE * labels.shape[1] / _WIDTH)
    wanted = labels == 1
    found = (predicted != 0) & (labels != UNCOUNTED)
    near = np.count_nonzero(found & _grown(wanted, reach))
    lost = np.count_nonzero(wanted & ~_grown(found, reach))
    return np.array([near, np.count_nonzero(found) - near, lost], np.int64)


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Pixels with a set one at most ``reach`` rows and columns away, bool (H, W)."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.view(np.uint8), square), np.bool_)
