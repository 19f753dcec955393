"""Suppression against a slow reference written for clarity, against OpenCV, and at its edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.overlap import overlaps
from engines.heads.nms import best_first, suppress

Box = tuple[float, float, float, float]


def slow_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def slow_nms(boxes: list[Box], groups: list[int] | None, iou: float, limit: int) -> list[int]:
    """Every box against every one that stayed, one pair at a time."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        rivals = [other for other in kept if groups is None or groups[other] == groups[index]]
        if len(kept) < limit and all(slow_iou(boxes[other], box) <= iou for other in rivals):
            kept.append(index)
    return kept


# Whole coordinates on a small board: many exact ties and overlaps of exactly 1/2, 1/3, 1 …
corner = st.integers(0, 12)
side = st.integers(0, 8)
box = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(box, st.integers(0, 2)), max_size=40),
    st.sampled_from([0.0, 0.2, 1 / 3, 0.45, 0.5, 1.0]),
    st.integers(1, 40),
    st.booleans(),
)
def test_agrees_with_the_slow_reference_ties_included(
    rows: list[tuple[Box, int]], iou: float, limit: int, agnostic: bool
) -> None:
    boxes = [row[0] for row in rows]
    groups = None if agnostic else [row[1] for row in rows]
    kept = suppress(
        np.array(boxes, np.float64).reshape(-1, 4), None if groups is None else np.array(groups, int), iou, limit
    )
    assert kept.tolist() == slow_nms(boxes, groups, iou, limit)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 700])
@pytest.mark.parametrize("limit", [10_000, 150])
def test_agrees_across_the_borders_of_blocks(count: int, limit: int) -> None:
    boxes, _ = random_boxes(np.random.default_rng(count), count)
    groups = np.random.default_rng(1).integers(0, 3, count)
    expected = slow_nms([tuple(row) for row in boxes.tolist()], groups.tolist(), 0.45, limit)
    assert suppress(boxes, groups, 0.45, limit).tolist() == expected


def random_boxes(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes crowded enough to overlap, and their scores, best first and all different."""
    corners = rng.uniform(0, 300, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(10, 120, (count, 2))])
    scores = np.sort(rng.permutation(count) / count * 0.9 + 0.05)[::-1]
    return boxes, scores


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou", [0.3, 0.45, 0.7])
def test_agrees_with_opencv(seed: int, iou: float) -> None:
    boxes, scores = random_boxes(np.random.default_rng(seed), 400)
    groups = np.random.default_rng(seed).integers(0, 5, 400)
    as_xywh = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()
    agnostic = cv2.dnn.NMSBoxes(as_xywh, scores.tolist(), 0.0, iou)
    assert suppress(boxes, None, iou, 400).tolist() == list(agnostic)
    per_class = cv2.dnn.NMSBoxesBatched(as_xywh, scores.tolist(), groups.tolist(), 0.0, iou)
    assert suppress(boxes, groups, iou, 400).tolist() == sorted(per_class)


@pytest.mark.parametrize(
    ("iou", "kept"),
    [(0.49, [0, 2]), (0.5, [0, 1, 2]), (0.51, [0, 1, 2])],
    ids=["below", "exactly", "above"],
)
def test_only_a_greater_overlap_suppresses(iou: float, kept: list[int]) -> None:
    boxes = np.array([[0, 0, 20, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float64)  # overlap exactly 0.5
    assert suppress(boxes, None, iou, 10).tolist() == kept


def test_a_suppressed_box_suppresses_nobody() -> None:
    chain = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float64)  # 0–1 and 1–2 clash, 0–2 do not
    assert suppress(chain, None, 0.4, 10).tolist() == [0, 2]


def test_equal_scores_keep_their_order() -> None:
    scores = np.random.default_rng(0).integers(0, 4, 2000).astype(np.float32) / 4
    assert best_first(scores).tolist() == sorted(range(2000), key=lambda index: -scores[index])


def test_boxes_without_area_overlap_nothing() -> None:
    points = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10]], np.float64)
    assert overlaps(points, points).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
