"""classification: the five best classes of a frame, against a slow reference."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import Card, HeadCard
from contracts.errors import EngineError
from contracts.fit import Stretch
from contracts.prediction import Classification
from contracts.protocols import Thresholds
from contracts.tensor import TensorSpec
from engines.cards import check_heads
from engines.heads.open import open_head

FIT = Stretch(640, 480, 224, 224)


def decoded(scores: NDArray[Any], classes: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> Classification:
    head = open_head(HeadCard(name="label", kind="classification", classes=classes, texts=texts))
    part = head.decode({"label": scores}, FIT, (640, 480), Thresholds(score=0.9, classes=frozenset({"none of them"})))
    assert isinstance(part, Classification)
    return part


def slowly(scores: list[float]) -> dict[int, float]:
    """Class by class: id → probability; a class whose score is not finite has none."""
    sound = {index: score for index, score in enumerate(scores) if math.isfinite(score)}
    if all(-0.01 <= score <= 1.01 for score in sound.values()):
        return {index: min(max(score, 0.0), 1.0) for index, score in sound.items()}
    total = sum(math.exp(score) for score in sound.values())
    return {index: math.exp(score) / total for index, score in sound.items()}


shares = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=12)
anything = st.one_of(st.floats(-30, 30, width=16), st.sampled_from([math.nan, math.inf, -math.inf, 0.5]))


@settings(max_examples=400, deadline=None)
@given(st.one_of(shares, st.lists(anything, min_size=1, max_size=12)), st.sampled_from([np.float32, np.float16]))
def test_the_five_best_are_those_of_the_slow_reference(scores: list[float], dtype: type[Any]) -> None:
    part, truth = decoded(np.array([scores], dtype)), slowly(scores)
    assert [str(array.dtype) for array in (part.class_ids, part.scores)] == ["int32", "float32"]
    best = sorted(truth.values(), reverse=True)[:5]
    np.testing.assert_allclose(part.scores, best, rtol=1e-4, atol=1e-7)
    ids = part.class_ids.tolist()
    assert len(set(ids)) == len(ids)
    np.testing.assert_allclose([truth[class_id] for class_id in ids], best, rtol=1e-4, atol=1e-7)
    for (one, score), (other, next_score) in pairwise(zip(ids, part.scores.tolist(), strict=True)):
        assert score > next_score or one < other  # of equal ones the lower id first


def test_names_and_texts_come_along() -> None:
    part = decoded(np.array([[0.2, 0.7, 0.1]], np.float32), ("paper", "glass", "metal"), ("blue", "white", "yellow"))
    assert [part.names[class_id] for class_id in part.class_ids] == ["glass", "paper", "metal"]
    assert part.texts == ("blue", "white", "yellow")


def test_logits_become_probabilities_that_sum_to_one() -> None:
    part = decoded(np.array([[2000.0, 1999.0, -5.0]], np.float32))
    assert part.scores.tolist() == pytest.approx([0.7311, 0.2689, 0.0], abs=1e-4)


def test_sigmoids_stay_as_they_are() -> None:
    assert decoded(np.array([[0.9, 0.0, 0.8]], np.float32)).scores.tolist() == pytest.approx([0.9, 0.8, 0.0])


def test_a_frame_without_a_finite_score_has_no_class() -> None:
    assert len(decoded(np.full((1, 4), np.nan, np.float32)).class_ids) == 0


def test_decoding_copies_what_it_keeps() -> None:
    """Outputs are views into the engine's memory, which the next inference overwrites."""
    scores = np.array([[0.7, 0.2, 0.1]], np.float32)
    scores.flags.writeable = False
    part = decoded(scores)
    assert not np.shares_memory(part.scores, scores)


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((1, 4), np.float32),
        np.zeros((2, 3), np.float32),
        np.zeros(3, np.float32),
        np.zeros((1, 3, 1, 1), np.float32),
        np.zeros((1, 3), np.int64),
    ],
)
def test_an_output_of_another_shape_or_type_is_an_error_that_says_both(scores: NDArray[Any]) -> None:
    with pytest.raises(EngineError, match=r"classification wants float32 \[1, 3\]") as caught:
        decoded(scores, ("a", "b", "c"))
    assert str(list(scores.shape)) in caught.value.message


@pytest.mark.parametrize(("shape", "fits"), [((1, 3), True), ((-1, 3), True), ((1, 4), False), ((1, 3, 1), False)])
def test_a_card_of_other_classes_is_refused_when_the_file_is_opened(shape: tuple[int, ...], fits: bool) -> None:
    card = Card(name="waste", heads=(HeadCard(name="label", kind="classification", classes=("a", "b", "c")),))
    outputs = [TensorSpec("label", shape, "float32")]
    if fits:
        check_heads(card, outputs)
    else:
        with pytest.raises(EngineError, match=r"wants \[1,3\], but the network gives"):
            check_heads(card, outputs)
