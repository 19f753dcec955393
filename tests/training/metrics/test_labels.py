"""Classes of whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from contracts.card import HeadCard
from contracts.prediction import Classification
from sources.datasets.sample import LABEL
from tests.training.metrics.scenes import sample
from training.metrics.judge import Judge

NAMES = tuple("abcdefg")
HEAD = HeadCard(name="what", kind="classification", classes=NAMES)


def _best(scores: np.ndarray, names: tuple[str, ...] = NAMES) -> Classification:
    order = np.argsort(-scores, kind="stable")[:5]
    return Classification(order.astype(np.int32), scores[order].astype(np.float32), names)


def test_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(5)
    truth, scores = rng.integers(0, 7, 200), rng.random((200, 7))
    scores[np.arange(200), truth] += 0.4
    judge = Judge({LABEL: NAMES}, [HEAD])
    for index, label in enumerate(truth):
        judge.add(sample(str(index), label=int(label)), {"what": _best(scores[index])})
    figures, details = judge.figures()["what"], judge.details()["what"]
    best = scores.argmax(axis=1)
    assert figures["top1"] == pytest.approx(float(np.mean(best == truth)))
    assert figures["top5"] == pytest.approx(top_k_accuracy_score(truth, scores, k=5))
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, best))
    assert details.confusion is not None
    assert np.array_equal(details.confusion, np.pad(confusion_matrix(truth, best), ((0, 0), (0, 1))))


def test_classes_are_matched_by_name_and_pictures_without_a_label_are_left_out() -> None:
    judge = Judge(
        {LABEL: ("dog", "cat", "cow")}, [HeadCard(name="what", kind="classification", classes=("cat", "dog"))]
    )
    part = _best(np.array([0.9, 0.1]), ("cat", "dog"))
    for name, label in (("a", 1), ("b", 0), ("c", 2), ("d", None)):
        judge.add(sample(name, label=label), {"what": part})
    figures = judge.figures()["what"]
    assert (figures["top1"], figures["top5"], figures["pictures"]) == (0.5, 1.0, 2)
