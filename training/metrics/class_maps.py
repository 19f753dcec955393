"""Class maps: one class per pixel, against labels of the same."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.prediction import ClassMap, Part
from sources.datasets.sample import UNCOUNTED, Sample
from training.metrics.measure import Details, Figures, misfit
from training.metrics.ratio import mean, ratio
from training.metrics.vocabulary import Vocabulary

Counts = NDArray[np.int64]
"""int64 (K, K + 1): pixels of a class (rows) predicted as a class; last column: as one that the labels do not have."""
OTHER = "(other)"


class ClassMaps:
    """IoU of a class = TP / (TP + FP + FN) over all pictures; mIoU = their mean.

    miou: over classes that labels or predictions have somewhere. miou_all: over all classes, 0 for one that is
    nowhere. accuracy: share of counted pixels of the right class. Pixels of 255, and of classes that the network does
    not have, do not count.
    """

    def __init__(self, head: str, key: str, words: Vocabulary) -> None:
        self._head, self._key, self._words = head, key, words

    def record(self, truth: Sample, part: Part) -> Counts | None:
        """One picture's confusion matrix; None where the head is not labelled there."""
        if self._key not in truth.masks:
            return None
        if not isinstance(part, ClassMap):
            raise misfit(self._head, part, f"{len(self._words.truth)} classes")
        labels, count = truth.masks[self._key], len(self._words.names)
        wanted = self._words.of_truth(labels)
        wanted[labels == UNCOUNTED] = -1
        found = self._words.of_predicted(_on_frame(part))
        found[found < 0] = count
        counted = wanted >= 0
        pairs = wanted[counted] * (count + 1) + found[counted]
        return np.bincount(pairs, minlength=count * (count + 1)).reshape(count, count + 1)

    def figures(self, records: Sequence[Counts]) -> Figures:
        """miou, miou_all, accuracy, pictures."""
        matrix = self._sum(records)
        ious = _ious(matrix)
        known = [0.0 if np.isnan(iou) else iou for iou in ious] if matrix.any() else []
        return {
            "miou": mean(ious),
            "miou_all": mean(known),
            "accuracy": ratio(int(np.trace(matrix)), int(matrix.sum())),
            "pictures": sum(bool(record.any()) for record in records),
        }

    def details(self, records: Sequence[Counts]) -> Details:
        """Per class IoU, precision, recall and pixels, and the confusion matrix."""
        matrix, names = self._sum(records), self._words.names
        hits, wanted, found = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
        rows = {
            name: {
                "iou": iou,
                "precision": ratio(int(hits[index]), int(found[index])),
                "recall": ratio(int(hits[index]), int(wanted[index])),
                "pixels": int(wanted[index]),
            }
            for index, (name, iou) in enumerate(zip(names, _ious(matrix), strict=True))
        }
        return Details(rows, names, (*names, OTHER), matrix)

    def goodness(self, record: Counts) -> float:
        """Mean IoU over the classes in this picture."""
        return mean(_ious(record))

    def _sum(self, records: Sequence[Counts]) -> Counts:
        count = len(self._words.names)
        return np.asarray(sum(records, np.zeros((count, count + 1), np.int64)))


def _ious(matrix: Counts) -> list[float]:
    """Per class; NaN for one that is neither in labels nor predictions."""
    hits = np.diagonal(matrix)
    unions = matrix.sum(axis=1) + matrix[:, : len(matrix)].sum(axis=0) - hits
    return [ratio(int(hit), int(union)) for hit, union in zip(hits, unions, strict=True)]


def _on_frame(part: ClassMap) -> NDArray[np.uint8]:
    """Ids at frame size, uint8 (H, W), the nearest id of each pixel."""
    content = np.ascontiguousarray(part.fit.content_of(part.ids))
    size = (part.fit.frame_width, part.fit.frame_height)
    return np.asarray(cv2.resize(content, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
