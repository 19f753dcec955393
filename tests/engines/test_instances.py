"""yolo_instances: against a slow full-frame reference, and at every edge. (ultralytics': test_ultralytics.py.)"""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import InstanceMasks
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from tests.support.instances import on_frame, slow_logits

CLASSES = ("person", "car")
BASIS = 4
SAME = Stretch(64, 64, 64, 64)
"""Network pixels are frame pixels; prototypes have a quarter of them."""


def decode(
    boxes: NDArray[Any], prototypes: NDArray[Any], fit: Fit = SAME, classes: tuple[str, ...] = CLASSES, **options: Any
) -> InstanceMasks:
    head = open_head(HeadCard(name="boxes", kind="yolo_instances", classes=classes))
    outputs = {"o": boxes, "p": prototypes}
    part = head.decode(outputs, fit, (fit.frame_width, fit.frame_height), Thresholds(**options))
    assert isinstance(part, InstanceMasks)
    for index, mask in enumerate(part.masks):
        window = part.window(index)
        assert mask.dtype == np.uint8
        assert mask.max(initial=0) <= 1
        assert 0 <= window.left < window.left + window.width <= fit.frame_width
        assert 0 <= window.top < window.top + window.height <= fit.frame_height
    assert len(part.masks) == len(part.detections)
    return part


def raw(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    """Rows of cx, cy, w, h, score of each class, coefficients → [1, 4 + C + M, N]."""
    return np.ascontiguousarray(np.array(rows, np.float32).T[None])


def ones(value: float = 1.0, size: int = 16) -> NDArray[np.float32]:
    """Prototypes of which the first is ``value`` everywhere and the others 0."""
    prototypes = np.zeros((1, BASIS, size, size), np.float32)
    prototypes[0, 0] = value
    return prototypes


fits = st.builds(
    lambda kind, width, height, across, down: kind(width, height, 32 * across, 32 * down),
    st.sampled_from([Letterbox, Stretch]),
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(1, 4),
    st.integers(1, 4),
)


@settings(max_examples=120, deadline=None)
@given(fits, st.integers(0, 2**32 - 1), st.booleans())
def test_masks_agree_with_the_slow_reference(fit: Fit, seed: int, finished: bool) -> None:
    random = np.random.default_rng(seed)
    count = 12
    prototypes = random.normal(0, 1, (1, BASIS, fit.network_height // 4, fit.network_width // 4)).astype(np.float32)
    corners = random.uniform(-0.2, 1.2, (count, 2, 2)) * [fit.network_width, fit.network_height]
    low, high = corners.min(axis=1), corners.max(axis=1)
    scores = random.uniform(0, 1, (count, 2))
    weights = random.normal(0, 1, (count, BASIS))
    if finished:
        tensor = np.hstack([low, high, scores.max(axis=1)[:, None], scores.argmax(axis=1)[:, None], weights])[None]
    else:
        tensor = np.hstack([(low + high) / 2, high - low, scores, weights]).T[None]
    part = decode(tensor.astype(np.float32), prototypes, fit, iou=1.0)
    by_score = {np.float32(score): row for score, row in zip(scores.max(axis=1), weights, strict=True)}
    for index, (x1, y1, x2, y2) in enumerate(part.detections.boxes.tolist()):
        logits = slow_logits(prototypes[0], by_score[part.detections.scores[index]].astype(np.float32), fit)
        columns, rows = np.arange(fit.frame_width), np.arange(fit.frame_height)[:, None]
        inside = (columns >= x1) & (columns < x2) & (rows >= y1) & (rows < y2)
        sure = inside & (np.abs(logits) > 1e-4)
        np.testing.assert_array_equal(on_frame(part, index, fit)[sure], (logits > 0)[sure])
        if inside.any():
            assert not (on_frame(part, index, fit) & ~inside).any()


def test_a_mask_is_the_box_where_all_is_set_and_empty_where_nothing_is() -> None:
    part = decode(raw((20, 20, 12, 8, 0.9, 0, 1, 0, 0, 0), (50, 50, 10, 10, 0, 0.8, -1, 0, 0, 0)), ones())
    assert [mask.tolist() for mask in part.masks] == [np.ones((8, 12)).tolist(), np.zeros((10, 10)).tolist()]
    assert (part.area(0), part.area(1), part.window(0).left, part.window(0).top) == (96, 0, 14, 16)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((20.5, 20.5, 1, 1), (20, 20, 1, 1)),
        ((20.45, 20.45, 0.1, 0.1), (20, 20, 1, 1)),
        ((63.9, 0.1, 0.1, 0.1), (63, 0, 1, 1)),
        ((64, 64, 20, 20), (54, 54, 10, 10)),
        ((32, 32, 1000, 1000), (0, 0, 64, 64)),
        ((10.2, 10.2, 2, 2), (10, 10, 2, 2)),
    ],
    ids=["one pixel", "less than a pixel", "in the last column", "over the corner", "larger than all", "between"],
)
def test_the_window_of_a_box(box: tuple[float, ...], window: tuple[int, int, int, int]) -> None:
    part = decode(raw((*box, 0.9, 0, 1, 0, 0, 0)), ones())
    found = part.window(0)
    assert (found.left, found.top, found.width, found.height) == window
    assert part.masks[0].all()


def peak_of_decoding(*boxes: tuple[float, ...]) -> tuple[int, InstanceMasks]:
    """Bytes that decoding of a 3840 × 2160 frame needs at most beside its outputs, once it knows the frame's size."""
    fit, random = Letterbox(3840, 2160, 640, 640), np.random.default_rng(0)
    prototypes = random.normal(size=(1, 32, 160, 160)).astype(np.float32)
    rows = raw(*((*box, 0.9, 0, *random.normal(size=32)) for box in boxes))
    decode(rows, prototypes, fit)
    tracemalloc.start()
    try:
        part = decode(rows, prototypes, fit)
        return tracemalloc.get_traced_memory()[1], part
    finally:
        tracemalloc.stop()


def test_nothing_is_computed_outside_the_boxes() -> None:
    """A mask of the whole frame has 8.3 MB, its sums as floats four times as many."""
    frame = 3840 * 2160
    peak, part = peak_of_decoding(*((40 + 60 * index, 300, 20, 10) for index in range(10)))
    assert len(part.masks) == 10
    assert all(mask.size == 120 * 60 for mask in part.masks)
    assert peak < frame / 10
    peak, part = peak_of_decoding((320, 320, 640, 360))
    assert part.masks[0].size == frame
    assert peak < frame + frame / 2


def test_padding_shows_nothing() -> None:
    fit = Letterbox(640, 360, 64, 64)  # rows 14 … 50 of the input, 3.5 … 12.5 of the prototypes
    prototypes = ones(-1.0)
    prototypes[0, 0, :3] = prototypes[0, 0, 13:] = 1e6
    part = decode(raw((32, 32, 64, 64, 0.9, 0, 1, 0, 0, 0)), prototypes, fit)
    assert part.masks[0].shape == (360, 640)
    rows = np.asarray(
        part.masks[0].any(axis=1)
    )  # at the edges half a prototype pixel is the road's, half the padding's
    np.testing.assert_array_equal(part.masks[0].all(axis=1), rows)
    assert not rows[40:320].any()
    assert not decode(raw((32, 32, 64, 64, 0.9, 0, 1, 0, 0, 0)), prototypes, Letterbox(640, 320, 64, 64)).area(0)


def test_nothing_found_is_an_empty_part() -> None:
    for boxes in (
        raw((9, 9, 9, 9, 0, 0, 1, 0, 0, 0)),
        np.zeros((1, 10, 0), np.float32),
        np.zeros((1, 0, 10), np.float32),
    ):
        part = decode(boxes, ones())
        assert (len(part.detections), part.masks, part.detections.names) == (0, (), CLASSES)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(10))
def test_rows_that_are_not_finite_are_no_boxes(value: float, row: int) -> None:
    tensor = raw((20, 20, 10, 10, 0.9, 0.1, 1, 0, 0, 0), (40, 40, 10, 10, 0.8, 0.1, 1, 0, 0, 0))
    tensor[0, row, 0] = value
    assert decode(tensor, ones()).detections.boxes.tolist() == [[35, 35, 45, 45]]


@pytest.mark.parametrize(("value", "inside"), [(np.nan, False), (-np.inf, False), (np.inf, True), (3e38, True)])
def test_strange_prototypes_change_only_the_pixels_beside_them(value: float, inside: bool) -> None:
    prototypes = ones()
    prototypes[0, 0, 5, 5] = value  # pixels 20 … 23, and what is interpolated beside them
    part = decode(raw((32, 32, 64, 64, 0.9, 0, 2, 0, 0, 0)), prototypes)
    mask = part.masks[0].astype(bool)
    assert mask[21:23, 21:23].all() == (inside or np.isnan(value))
    mask[16:28, 16:28] = True
    assert mask.all()


def test_thresholds_of_the_run_and_order() -> None:
    rows = [
        (20, 20, 10, 10, 0.6, 0, -1, 0, 0, 0),
        (20, 20, 10, 10, 0.9, 0, 1, 0, 0, 0),
        (20, 20, 10, 10, 0, 0.7, 0, 1, 0, 0),
    ]
    prototypes = ones()
    prototypes[0, 1, :, :5] = 1
    prototypes[0, 1, :, 5:] = -1
    part = decode(raw(*rows), prototypes)
    assert [(part.detections.name(i), part.area(i)) for i in range(2)] == [("person", 100), ("car", 50)]
    assert len(part.masks) == 2
    assert [mask.sum() for mask in decode(raw(*rows), prototypes, classes=()).masks] == [100, 50]
    assert decode(raw(*rows), prototypes, class_agnostic=True).detections.class_ids.tolist() == [0]
    assert decode(raw(*rows), prototypes, classes=CLASSES, score=0.8).area(0) == 100


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"o": np.zeros((1, 10, 3), np.float32)}, "reads two outputs"),
        ({"o": np.zeros((1, 11, 3), np.float32), "p": ones()}, r"4 \+ 2 \+ M.*\[1, 11, 3\]"),
        ({"o": np.zeros((2, 10, 3), np.float32), "p": ones()}, r"\[2, 10, 3\]"),
        ({"o": np.zeros((1, 10, 3), np.int32), "p": ones()}, r"int32 \[1, 10, 3\]"),
        ({"o": np.zeros((1, 10, 3), np.float32), "p": np.zeros((1, 10, 3), np.float32)}, "prototypes"),
        ({"o": np.zeros((1, 10, 3), np.float32), "p": np.zeros((1, 4, 0, 8), np.float32)}, r"\[1, 4, 0, 8\]"),
        ({"o": ones(), "p": ones()}, r"\[1, 4, 16, 16\]"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(outputs: dict[str, NDArray[Any]], message: str) -> None:
    head = open_head(HeadCard(name="boxes", kind="yolo_instances", classes=CLASSES))
    with pytest.raises(EngineError, match=message) as caught:
        head.decode(outputs, SAME, (64, 64), Thresholds())
    assert "card" in caught.value.cure


def test_half_precision_and_the_other_order_are_read() -> None:
    boxes, prototypes = raw((20, 20, 12, 8, 0.9, 0, 1, 0, 0, 0)), ones()
    head = open_head(HeadCard(name="boxes", kind="yolo_instances", outputs=("p", "o"), classes=CLASSES))
    outputs: dict[str, NDArray[Any]] = {
        "o": boxes.astype(np.float16),
        "p": prototypes.astype(np.float16),
        "more": boxes,
    }
    part = head.decode(outputs, SAME, (64, 64), Thresholds())
    assert isinstance(part, InstanceMasks)
    assert part.area(0) == 96
