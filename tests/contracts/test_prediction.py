"""Prediction: a choice of boxes keeps everything that belongs to each of them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fit import box_window
from contracts.prediction import Detections, InstanceMasks, Prediction


def numbered(count: int) -> InstanceMasks:
    """Boxes whose every property says which one it is."""
    order = np.arange(count)
    boxes = np.stack([order, order, order + 1, order + 1], axis=1).astype(np.float32)
    attributes = tuple({"number": (str(index),)} for index in range(count))
    found = Detections(
        boxes, order.astype(np.float32), order.astype(np.int32), ("a",), order.astype(np.int64), attributes
    )
    return InstanceMasks(found, tuple(np.full((1, 1), index, np.uint8) for index in range(count)))


@given(st.lists(st.integers(0, 7), max_size=8, unique=True))
def test_what_belongs_together_stays_together(wanted: list[int]) -> None:
    part = numbered(8).chosen(np.array(wanted, np.intp))
    found = part.detections
    assert found.boxes[:, 0].tolist() == wanted
    assert found.scores.tolist() == wanted
    assert found.class_ids.tolist() == wanted
    assert found.track_ids is not None
    assert found.track_ids.tolist() == wanted
    assert found.attributes == tuple({"number": (str(index),)} for index in wanted)
    assert [int(mask[0, 0]) for mask in part.masks] == wanted


def test_what_is_not_known_stays_unknown() -> None:
    found = Detections.empty(("a",)).chosen(np.zeros(0, np.intp))
    assert found.track_ids is None
    assert found.attributes is None


def test_what_a_head_says_of_each_box_goes_on_to_supervision() -> None:
    pytest.importorskip("supervision")
    found = replace(numbered(3).detections, attributes=({"where": ("here",)}, {"lit": ("a", "b")}, {}))
    data = found.to_supervision()[np.array([1, 0])].data
    assert list(data["where"]) == [(), ("here",)]
    assert list(data["lit"]) == [("a", "b"), ()]


def scattered(boxes: list[tuple[float, float, float, float]]) -> InstanceMasks:
    """An instance per box, its mask a chequered pattern of that box's size."""
    masks = []
    for box in boxes:
        window = box_window(np.array(box, np.float32))
        masks.append((np.indices((window.height, window.width)).sum(axis=0) % 2).astype(np.uint8))
    count = len(boxes)
    corners = np.array(boxes, np.float32).reshape(count, 4)
    scores, ids = np.linspace(1, 0.5, count, dtype=np.float32), np.zeros(count, np.int32)
    return InstanceMasks(Detections(corners, scores, ids, ("car",)), tuple(masks))


corner, side = st.floats(0, 20, width=32), st.floats(0.5, 20, width=32)


@given(st.lists(st.tuples(corner, corner, side, side), max_size=5))
def test_masks_on_the_frame_lie_where_their_windows_are(found: list[tuple[float, float, float, float]]) -> None:
    width, height = 24, 22
    part = scattered([(x, y, min(x + w, width), min(y + h, height)) for x, y, w, h in found])
    whole = part.on_frame((width, height))
    assert whole.shape == (len(found), height, width)
    assert whole.dtype == np.bool_
    for index, mask in enumerate(part.masks):
        place = part.window(index)
        expected = np.zeros((height, width), bool)
        for row in range(mask.shape[0]):
            for column in range(mask.shape[1]):
                if place.top + row < height and place.left + column < width:
                    expected[place.top + row, place.left + column] = mask[row, column]
        np.testing.assert_array_equal(whole[index], expected)


def test_supervision_gets_boxes_and_with_the_frames_size_masks() -> None:
    pytest.importorskip("supervision")
    part = scattered([(1, 2, 6, 8), (3, 3, 10, 9)])
    prediction = Prediction({"seen": part, "boxes": part.detections})
    assert prediction.to_supervision()["seen"].mask is None
    found = prediction.to_supervision((16, 12))
    assert found["boxes"].mask is None
    assert found["seen"].mask.shape == (2, 12, 16)
    assert found["seen"].mask.dtype == np.bool_
    np.testing.assert_array_equal(found["seen"].mask, part.on_frame((16, 12)))
    np.testing.assert_array_equal(found["seen"].xyxy, part.detections.boxes)
    assert found["seen"].data["class_name"].tolist() == ["car", "car"]
    assert found["seen"][found["seen"].confidence > 0.7].mask.shape == (1, 12, 16)
    assert Prediction({"seen": scattered([])}).to_supervision((16, 12))["seen"].mask.shape == (0, 12, 16)
