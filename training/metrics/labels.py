"""Whole pictures: the class of each against the best five that were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from contracts.prediction import Classification, Part
from sources.datasets.sample import Sample
from training.metrics.measure import Details, Figures, misfit
from training.metrics.ratio import mean, ratio
from training.metrics.vocabulary import Vocabulary


class Answer(NamedTuple):
    """One picture. truth: its class. best: predicted classes, best first; both as indices of the vocabulary."""

    truth: int
    best: tuple[int, ...]


class Labels:
    """top1, top5 = share of pictures whose class is the best one, or among the best five, that was predicted.

    balanced_accuracy = mean over classes of top1 (recall), so that rare ones weigh as much. A predicted class that
    the labels do not have is wrong; a picture of a class that the network does not have is not judged.
    """

    def __init__(self, head: str, words: Vocabulary) -> None:
        self._head, self._words = head, words

    def record(self, truth: Sample, part: Part) -> Answer | None:
        """One picture; None where it has no label that the network knows."""
        if not isinstance(part, Classification):
            raise misfit(self._head, part, "classes of whole pictures")
        label = -1 if truth.label is None else int(self._words.of_truth(np.array([truth.label]))[0])
        return None if label < 0 else Answer(label, tuple(self._words.of_predicted(part.class_ids).tolist()))

    def figures(self, records: Sequence[Answer]) -> Figures:
        """top1, top5, balanced_accuracy, pictures."""
        return {
            "top1": ratio(sum(answer.truth in answer.best[:1] for answer in records), len(records)),
            "top5": ratio(sum(answer.truth in answer.best[:5] for answer in records), len(records)),
            "balanced_accuracy": mean(row["recall"] for row in self.details(records).rows.values()),
            "pictures": len(records),
        }

    def details(self, records: Sequence[Answer]) -> Details:
        """Per class precision, recall and pictures, and the confusion matrix of the best answers."""
        names = self._words.names
        matrix = np.zeros((len(names), len(names) + 1), np.int64)
        for answer in records:
            matrix[answer.truth, answer.best[0] if answer.best else -1] += 1  # -1: the last column, no class of ours
        wanted, found = matrix.sum(1), matrix.sum(0)
        rows = {
            name: {
                "precision": ratio(int(matrix[index, index]), int(found[index])),
                "recall": ratio(int(matrix[index, index]), int(wanted[index])),
                "pictures": int(wanted[index]),
            }
            for index, name in enumerate(names)
        }
        return Details(rows, names, (*names, "(other)"), matrix)

    def goodness(self, record: Answer) -> float:
        """1, ½ … by the place of the true class among the best; 0 where it is not there."""
        return 1 / (record.best.index(record.truth) + 1) if record.truth in record.best else 0.0
