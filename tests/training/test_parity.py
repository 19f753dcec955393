"""The measures of parity against slow ones, and the report built from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import Card, HeadCard, HeadKind
from contracts.errors import EngineError, SourceError
from training.differences import TOLERANCES, Figure, Tolerance, difference_of
from training.parity import Outputs, compare

Array = NDArray[np.float32]
FP32 = TOLERANCES["fp32"]


def figures(kind: HeadKind, truth: Array, found: NDArray[np.generic], **given: object) -> dict[str, Figure]:
    head = HeadCard.model_validate({"name": "head", "kind": kind, **given})
    difference = difference_of(head, 0, FP32, longer_side=100)
    difference.add(truth, found)
    return {figure.what: figure for figure in difference.figures()}


@given(seed=st.integers(0, 1000), channels=st.integers(1, 4), flips=st.integers(0, 20))
def test_pixels_are_counted_as_a_loop_would(seed: int, channels: int, flips: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2, channels, 5, 6)).astype(np.float32)
    ids = np.zeros((2, 5, 6), np.uint8)
    for b, y, x in itertools.product(range(2), range(5), range(6)):
        values = scores[b, :, y, x].tolist()
        ids[b, y, x] = values.index(max(values)) if channels > 1 else values[0] > 0
    for place in rng.choice(ids.size, flips, replace=False):
        ids.reshape(-1)[place] ^= 1
    (figure,) = figures("mask_ids", scores, ids).values()
    assert figure.worst == pytest.approx(flips / ids.size)


def test_a_pixel_whose_scores_tie_is_told_apart() -> None:
    scores = np.zeros((1, 2, 100, 100), np.float32)
    scores[0, 1, :50] = 1
    scores[0, 0, 50:] = 2
    scores[0, :, 0, :5] = 3
    scores[0, 1, 0, :5] += 3e-6  # rounding decides
    ids = np.zeros((1, 100, 100), np.uint8)
    ids[0, :50] = 1
    ids[0, 0, :5] = 0
    found = figures("mask_ids", scores, ids)
    assert {what: figure.worst for what, figure in found.items()} == {
        "pixels differing": 0,
        "more where scores tie": 5e-4,
    }
    assert all(figure.holds for figure in found.values())
    ids[0, 1, :2] = 0
    found = figures("mask_ids", scores, ids)
    assert found["pixels differing"].worst == 2e-4
    assert not found["pixels differing"].holds


@pytest.mark.parametrize("channels", [1, 2])
def test_a_dead_head_does_not_hide_behind_its_ties(channels: int) -> None:
    dead = np.zeros((1, channels, 8, 8), np.float32)
    assert not all(figure.holds for figure in figures("mask_ids", dead, np.ones((1, 8, 8), np.uint8)).values())
    assert all(figure.holds for figure in figures("mask_ids", dead, np.zeros((1, 8, 8), np.uint8)).values())


@pytest.mark.parametrize("channels", [1, 2])
def test_one_huge_score_excuses_no_other_pixel(channels: int) -> None:
    scores = np.ones((1, channels, 8, 8), np.float32)
    scores[:, 0] = 2
    scores[0, 0, 0, 0] = 1e6
    wrong = np.full((1, 8, 8), 1 if channels == 2 else 0, np.uint8)
    assert figures("mask_ids", scores, wrong)["pixels differing"].worst == 1


@pytest.mark.parametrize("kind", ["yolo_boxes", "yolo_boxes_end2end", "classification"])
def test_a_number_that_is_none_never_holds(kind: HeadKind) -> None:
    truth = np.random.default_rng(0).random((1, 8, 6), np.float32)
    found = truth.copy()
    found[0, 5, 4] = np.nan
    assert not all(figure.holds for figure in figures(kind, truth, found).values())


def test_a_mask_of_one_class_only_is_said_to_prove_little() -> None:
    scores = np.zeros((1, 2, 4, 4), np.float32)
    scores[:, 0] = 1
    (figure,) = figures("class_map", scores, scores).values()
    assert figure.holds
    assert "every pixel is of one class" in str(figure)


def rows(kind: HeadKind, boxes: Array, scores: Array) -> Array:
    """(N, 4) and (N, C) as the kind's output has them."""
    if kind == "anchor_boxes":
        return np.hstack([boxes, np.ones((len(boxes), 1), np.float32), scores])[None]
    return np.hstack([boxes, scores]).T[None]


@pytest.mark.parametrize("kind", ["yolo_boxes", "anchor_boxes"])
def test_coordinates_count_where_boxes_do_and_scores_everywhere(kind: HeadKind) -> None:
    rng = np.random.default_rng(0)
    boxes, scores = rng.random((400, 4), np.float32) * 100, np.full((400, 2), 0.01, np.float32)
    scores[:200, 1] = 0.5  # more than the surest hundred
    moved, unsure = boxes.copy(), boxes.copy()
    moved[150, 2] += 1
    unsure[300, 2] += 50
    truth = rows(kind, boxes, scores)
    found = figures(kind, truth, rows(kind, moved, scores))
    assert found["coordinates"].worst == pytest.approx(0.01, rel=1e-4)
    assert not found["coordinates"].holds
    assert found["scores"].worst == 0
    assert figures(kind, truth, rows(kind, unsure, scores))["coordinates"].worst == 0
    scores[399, 0] = 0.02
    assert figures(kind, truth, rows(kind, boxes, scores))["scores"].worst == pytest.approx(0.01, rel=1e-4)


def test_on_an_empty_road_the_surest_boxes_are_compared_all_the_same() -> None:
    boxes, scores = np.ones((300, 4), np.float32), np.linspace(0, 0.01, 300, dtype=np.float32)[:, None]
    moved = boxes.copy()
    moved[299] += 3
    found = figures("yolo_boxes", rows("yolo_boxes", boxes, scores), rows("yolo_boxes", moved, scores))
    assert found["coordinates"].worst == pytest.approx(0.03)


def test_coefficients_of_instances_are_measured_against_their_largest() -> None:
    truth = np.zeros((1, 4 + 2 + 32, 9), np.float32)
    truth[:, 6:] = 10
    found = truth.copy()
    found[0, 20, 3] += 0.1
    by_name = figures("yolo_instances", truth, found, classes=("a", "b"))
    assert by_name["coefficients"].worst == pytest.approx(0.01, rel=1e-3)
    assert by_name["scores"].worst == 0
    dead = np.zeros_like(truth)
    assert not figures("yolo_instances", dead, truth, classes=("a", "b"))["coefficients"].holds


def test_road_agents_are_as_sure_as_their_agent_and_every_answer_is_a_score() -> None:
    names = {"classes": ("a", "b"), "locations": ("here", "there"), "actions": ("lit",)}
    truth = np.zeros((1, 4 + 5 + 3, 400), np.float32)
    truth[0, 4, :200] = 0.5  # more than the surest hundred
    truth[0, 6:9] = 0.9
    truth[0, 9:] = 2
    unsure, moved, answered, outlined = (truth.copy() for _ in range(4))
    unsure[0, 2, 300] = moved[0, 2, 100] = 50
    answered[0, 8, 300] -= 0.1
    outlined[0, 9, 300] += 0.1
    assert figures("road_agents", truth, unsure, **names)["coordinates"].worst == 0
    assert figures("road_agents", truth, moved, **names)["coordinates"].worst == pytest.approx(0.5)
    assert figures("road_agents", truth, answered, **names)["scores"].worst == pytest.approx(0.1, rel=1e-3)
    by_name = figures("road_agents", truth, outlined, **names)
    assert by_name["scores"].worst == 0
    assert by_name["coefficients"].worst == pytest.approx(0.05, rel=1e-3)


def test_chosen_boxes_may_change_places_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    truth = np.concatenate([rng.random((1, 30, 4)) * 100, rng.random((1, 30, 1)), rng.integers(0, 3, (1, 30, 1))], 2)
    truth = truth.astype(np.float32)
    shuffled = truth[:, rng.permutation(30)]
    found = figures("yolo_boxes_end2end", truth, shuffled)
    assert found["coordinates"].worst == found["scores"].worst == 0
    other = truth.copy()
    surest = truth[0, :, 4].argmax()
    other[0, surest, 5] = 7  # another class: the box is gone
    assert not figures("yolo_boxes_end2end", truth, other)["coordinates"].holds
    other = truth.copy()
    other[0, surest, 0] += 5
    assert not figures("yolo_boxes_end2end", truth, other)["coordinates"].holds


def test_where_all_boxes_are_as_unsure_nothing_is_compared_and_nothing_proven() -> None:
    truth = np.full((1, 30, 6), 1e-5, np.float32)
    other = truth.copy()
    other[..., :4] = 70
    found = figures("yolo_boxes_end2end", truth, other)["coordinates"]
    assert not found.holds
    assert "no box stands out on these frames" in found.note


def test_other_numbers_are_measured_against_the_largest_of_them() -> None:
    truth = np.array([[1.0, -200.0, 3.0]], np.float32)
    (figure,) = figures("classification", truth, truth + np.array([0, 0, 0.4], np.float32)).values()
    assert figure.worst == pytest.approx(0.002)


CARD = Card(name="x", heads=(HeadCard(name="lane", kind="mask_ids", outputs=("lane",), role="lane"),))


def scoring(images: Array) -> Outputs:
    return {"lane": images[:, :2] - np.float32(0.5)}


def as_ids(images: Array) -> Outputs:
    return {"lane": (images[:, 1] > images[:, 0]).astype(np.uint8)}


def frames(count: int) -> list[Array]:
    rng = np.random.default_rng(2)
    return [rng.random((1, 3, 8, 8), np.float32) for _ in range(count)]


def test_the_report_has_a_line_per_output_and_runtime() -> None:
    runtimes: dict[str, Callable[[Array], Outputs]] = {"one": as_ids, "other": lambda images: as_ids(1 - images)}
    report = compare(scoring, runtimes, CARD, frames(4), tolerance=FP32)
    assert report.frames == 4
    assert [line.split(":")[0] for line in report.lines()] == ["holds  lane in one", "FAILS  lane in other"]
    with pytest.raises(
        EngineError, match=r"out\.onnx is not shown to be what its original is.*: lane in other: pixels differing"
    ):
        report.require("out.onnx", "cure")


def test_batches_come_in_the_sizes_asked_for() -> None:
    sizes: list[int] = []

    def watching(images: Array) -> Outputs:
        sizes.append(len(images))
        return as_ids(images)

    assert compare(scoring, {"it": watching}, CARD, frames(10), tolerance=FP32, batches=(1, 3)).frames == 9
    assert sizes == [1, 3, 1, 3, 1]


def test_too_few_frames_prove_nothing() -> None:
    with pytest.raises(SourceError, match="too few frames"):
        compare(scoring, {"it": as_ids}, CARD, frames(2), tolerance=FP32, batches=(3,))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["original", "export"])
def test_numbers_that_are_none_are_refused_by_output_and_frame(value: float, side: str) -> None:
    def broken(images: Array) -> Outputs:
        scores = np.array(scoring(images)["lane"])
        if images[0, 0, 0, 0] == third[0, 0, 0, 0]:
            scores[0, 0, 0, 0] = value
        return {"lane": scores}

    given = frames(4)
    third = given[2]
    runs = (broken, scoring) if side == "original" else (scoring, broken)
    with pytest.raises(EngineError, match=r"NaN or infinity in output 'lane' on frame 2"):
        compare(runs[0], {"it": runs[1]}, CARD, given, tolerance=FP32)


def test_another_shape_is_refused() -> None:
    def smaller(images: Array) -> Outputs:
        return {"lane": as_ids(images)["lane"][:, ::2]}

    with pytest.raises(EngineError, match=r"'lane' has the shape \[1, 4, 8\] in it, its original \[1, 2, 8, 8\]"):
        compare(scoring, {"it": smaller}, CARD, frames(1), tolerance=FP32)


def test_no_precision_is_looser_than_a_person_would_see() -> None:
    for tolerance in TOLERANCES.values():
        assert tolerance.coordinates <= 0.01  # 6 pixels of 640
        assert tolerance.pixels <= 0.01
    strictest = Tolerance(*(min(getattr(each, name) for each in TOLERANCES.values()) for name in FP32.__slots__))
    assert strictest == FP32
