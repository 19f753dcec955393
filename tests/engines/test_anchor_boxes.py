"""anchor_boxes: against a slow reference, against the original programs' own suppression, and at every edge."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from contracts.card import Card, HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from contracts.tensor import TensorSpec
from engines.cards import check_card
from engines.heads.anchor_boxes import AnchorBoxes
from engines.heads.candidates import MAX_CANDIDATES
from engines.heads.open import open_head
from tests.support.boxes import unlike_boxes

Row = tuple[float, ...]

CLASSES = ("person", "car", "truck")
SAME = Stretch(640, 640, 640, 640)
"""Network pixels are frame pixels."""


def decode(tensor: NDArray[Any], fit: Fit = SAME, names: tuple[str, ...] = CLASSES, **options: Any) -> Detections:
    head = open_head(HeadCard(name="boxes", kind="anchor_boxes", classes=names))
    assert isinstance(head, AnchorBoxes)
    return head.decode({"boxes": tensor}, fit, (fit.frame_width, fit.frame_height), Thresholds(**options))


def raw(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    """Rows of cx, cy, w, h, objectness, score … → the tensor [1, N, 5 + C]."""
    return np.array(rows, np.float32)[None]


def slow(tensor: NDArray[np.float32], fit: Fit, thresholds: Thresholds) -> list[Row]:
    """Row by row, as the kind is defined: every product is formed, nothing is left out for speed."""
    found = []
    for row in tensor[0]:
        cx, cy, w, h = row[:4].astype(float).tolist()
        scores = [float(row[4] * score) for score in row[5:]]
        best = max(range(len(scores)), key=lambda class_id: scores[class_id])
        if np.isfinite(row).all() and scores[best] > thresholds.score:
            found.append((scores[best], best, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
    found.sort(key=lambda row: -row[0])
    kept: list[tuple[float, int, tuple[float, ...], list[float]]] = []
    for score, class_id, box in found:
        corners = fit.to_frame(np.array(box).reshape(2, 2))
        # Detections hold float32: a box that has no area in those numbers shows nothing.
        on_frame = np.clip(corners, 0, [fit.frame_width, fit.frame_height]).astype(np.float32)
        x1, y1, x2, y2 = on_frame.ravel().tolist()
        wanted = thresholds.classes is None or CLASSES[class_id] in thresholds.classes
        rivals = [row[2] for row in kept if thresholds.class_agnostic or row[1] == class_id]
        if wanted and x2 > x1 and y2 > y1 and all(slow_iou(other, box) <= thresholds.iou for other in rivals):
            kept.append((score, class_id, box, [x1, y1, x2, y2]))
    return [(*corners, score, class_id) for score, class_id, _, corners in kept[: thresholds.max_detections]]


def slow_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def like_a_street(seed: int, anchors: int = 1000) -> NDArray[np.float32]:
    """Mostly nothing, and around each of a few objects a dozen anchors that all see it; some are sure of nothing."""
    rng = np.random.default_rng(seed)
    tensor = np.zeros((1, anchors, 5 + len(CLASSES)), np.float32)
    tensor[0, :, :2] = rng.uniform(0, 640, (anchors, 2))
    tensor[0, :, 2:4] = rng.uniform(5, 100, (anchors, 2))
    tensor[0, :, 4] = rng.uniform(0, 0.05, anchors)
    tensor[0, :, 5:] = rng.uniform(0, 1, (anchors, len(CLASSES)))  # class scores mean nothing where objectness is low
    for _ in range(12):
        seen_by = rng.choice(anchors, 12, replace=False)
        tensor[0, seen_by, :2] = rng.uniform(0, 640, 2) + rng.normal(0, 2, (12, 2))
        tensor[0, seen_by, 2:4] = rng.uniform(20, 150, 2) + rng.normal(0, 4, (12, 2))
        tensor[0, seen_by, 4] = rng.uniform(0.2, 0.99, 12)
        tensor[0, seen_by, 5 + rng.integers(len(CLASSES))] = rng.uniform(0.2, 0.99, 12)
    return tensor


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fit", [Letterbox(1280, 720, 640, 640), Stretch(1920, 1080, 640, 640)], ids=repr)
@pytest.mark.parametrize(
    "thresholds",
    [
        Thresholds(),
        Thresholds(score=0.5, iou=0.7),
        Thresholds(score=0.0, iou=0.1),
        Thresholds(class_agnostic=True, iou=0.2),
        Thresholds(classes=frozenset({"car", "bicycle"}), max_detections=3),
    ],
    ids=["default", "strict", "all", "agnostic", "cars"],
)
def test_agrees_with_the_slow_reference(seed: int, fit: Fit, thresholds: Thresholds) -> None:
    tensor = like_a_street(seed)
    tensor[0, 5] = np.nan
    expected = slow(tensor, fit, thresholds)
    head = open_head(HeadCard(name="boxes", kind="anchor_boxes", classes=CLASSES))
    part = head.decode({"o": tensor}, fit, (fit.frame_width, fit.frame_height), thresholds)
    assert isinstance(part, Detections)
    assert expected
    assert part.class_ids.tolist() == [row[5] for row in expected]
    assert part.scores.tolist() == [row[4] for row in expected]
    np.testing.assert_allclose(part.boxes, [row[:4] for row in expected], atol=2e-3)
    assert [array.dtype.name for array in (part.boxes, part.scores, part.class_ids)] == ["float32", "float32", "int32"]


SCORES = st.floats(0, 1, width=32)
VALUES = hnp.arrays(np.float32, st.tuples(st.just(1), st.integers(0, 12), st.just(8)), elements=SCORES)


@given(VALUES, SCORES, SCORES)
def test_agrees_with_the_slow_reference_on_anything_drawn(tensor: NDArray[Any], score: float, iou: float) -> None:
    """Also scores that equal the threshold, ties, boxes without area."""
    fit, thresholds = Stretch(2, 2, 2, 2), Thresholds(score=score, iou=iou)
    expected = slow(tensor, fit, thresholds)
    part = decode(tensor, fit, score=score, iou=iou)
    assert part.scores.tolist() == [row[4] for row in expected]
    assert part.class_ids.tolist() == [row[5] for row in expected]


@pytest.mark.shared
@pytest.mark.parametrize("case", ["96x160b1s0", "160x96b2s2"])
def test_agrees_with_yolops_own_suppression(shared: Path, case: str) -> None:
    arrays = np.load(shared / "goldens" / "yolop.npz")
    facts = json.loads(gzip.decompress((shared / "goldens" / "yolop.json.gz").read_bytes()))
    assert case in [known["case"] for known in facts["cases"]]
    expected = arrays[f"{case}/nms_conf0.25_iou0.45_item0"]
    assert len(expected) > 200
    assert unlike_boxes(arrays[f"{case}/det"][:1], ("vehicle",), expected) == 0


def test_one_class_counts_too() -> None:
    """Both code bases multiply, also where there is only one class."""
    part = decode(raw((100, 100, 40, 20, 0.8, 0.5), (300, 300, 40, 20, 0.9, 0.2)), names=("vehicle",))
    assert part.scores.tolist() == pytest.approx([0.4])
    assert part.name(0) == "vehicle"


def test_a_score_must_be_greater_than_the_threshold() -> None:
    tensor = raw((10, 10, 5, 5, 1, 0.5, 0, 0), (50, 50, 5, 5, 1, 0.5000001, 0, 0), (90, 90, 5, 5, 0.5, 1, 0, 0))
    assert decode(tensor, score=0.5).boxes.tolist() == [[47.5, 47.5, 52.5, 52.5]]


def test_no_class_is_surer_than_the_object() -> None:
    """The threshold is for the product; neither factor alone passes it."""
    assert len(decode(raw((10, 10, 5, 5, 0.5, 0.4, 0, 0)), score=0.25)) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", range(8))
def test_rows_that_are_not_finite_are_no_boxes(value: float, column: int) -> None:
    tensor = raw((100, 100, 40, 20, 0.9, 0.1, 0.8, 0.1), (300, 300, 40, 20, 0.9, 0.1, 0.7, 0.1))
    tensor[0, 0, column] = value
    assert decode(tensor).boxes.tolist() == [[280, 290, 320, 310]]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_found_is_an_empty_part_of_the_right_types(count: int) -> None:
    part = decode(np.zeros((1, count, 8), np.float32))
    assert (len(part), part.boxes.shape, part.boxes.dtype.name, part.names) == (0, (0, 4), "float32", CLASSES)


def test_classes_without_names_are_called_by_their_number() -> None:
    part = decode(raw((100, 100, 40, 20, 0.9, 0.1, 0.8)), names=())
    assert [part.name(index) for index in range(len(part))] == ["1"]


def test_noise_in_every_anchor_is_bounded() -> None:
    """A score of 0 lets everything pass; only the best are compared with one another."""
    rng = np.random.default_rng(1)
    tensor = rng.uniform(0.1, 1, (1, 25_200, 6)).astype(np.float32)
    tensor[0, :, :2] = rng.uniform(0, 640, (25_200, 2))
    part = decode(tensor, names=("vehicle",), score=0.0, iou=1.0, max_detections=100_000)
    assert len(part) == MAX_CANDIDATES
    best = np.sort(tensor[0, :, 4] * tensor[0, :, 5])[::-1][:MAX_CANDIDATES]
    assert part.scores.tolist() == best.tolist()


def test_half_precision_is_read_and_nothing_of_the_output_is_kept() -> None:
    tensor = raw((100, 100, 40, 20, 0.9, 0.1, 0.8, 0.1))
    tensor.flags.writeable = False
    part, half = decode(tensor), decode(tensor.astype(np.float16))
    assert not any(np.shares_memory(array, tensor) for array in (part.boxes, part.scores, part.class_ids))
    assert half.boxes.tolist() == part.boxes.tolist()
    np.testing.assert_allclose(half.scores, part.scores, rtol=1e-3)


@pytest.mark.parametrize(
    "tensor",
    [
        np.zeros((1, 3, 12, 20, 8), np.float32),  # a raw level
        np.zeros((1, 8, 100), np.float32),  # yolo_boxes' order
        np.zeros((2, 100, 8), np.float32),
        np.zeros((100, 8), np.float32),
        np.zeros((1, 100, 8), np.int64),
    ],
    ids=lambda tensor: str(tensor.shape),
)
def test_an_output_of_another_shape_or_type_is_an_error_that_says_both(tensor: NDArray[Any]) -> None:
    with pytest.raises(EngineError, match=r"anchor_boxes wants float32 \[1, boxes, 5 \+ 3\]") as caught:
        decode(tensor)
    assert str(list(tensor.shape)) in caught.value.message
    assert "card" in caught.value.cure


def check(shape: tuple[int, ...], *, classes: tuple[str, ...] = CLASSES, outputs: int = 1) -> None:
    card = Card(name="net", heads=(HeadCard(name="boxes", kind="anchor_boxes", classes=classes),))
    specs = [TensorSpec(f"o{index}", shape, "float32", "") for index in range(outputs)]
    check_card(card, [TensorSpec("images", (1, 3, 48, 64), "float32", "NCHW")], specs)


@pytest.mark.parametrize("shape", [(1, 25200, 8), (-1, -1, -1), (1, -1, 8)])
def test_a_card_that_fits_passes(shape: tuple[int, ...]) -> None:
    check(shape)
    check(shape, classes=())


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"shape": (1, 8, 25200)}, r"wants decoded boxes \[1,N,8\] for 3 classes.*gives o0 float32 \[1,8,25200\]"),
        ({"shape": (1, 25200, 85)}, r"\[1,N,8\].*\[1,25200,85\]"),
        ({"shape": (1, 3, 80, 80, 8)}, r"raw levels with anchors are not read.*\[1,3,80,80,8\]"),
        ({"shape": (2, 25200, 8)}, r"\[2,25200,8\]"),
        ({"shape": (1, 25200, 5), "classes": ()}, r"\[1,N,5\+classes\] for any number of classes"),
        ({"shape": (1, 25200, 8), "outputs": 3}, "reads 1 output, but gets 3"),
    ],
)
def test_a_card_that_contradicts_its_network_is_refused(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        check(**given_)
    assert caught.value.cure
