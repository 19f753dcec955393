"""Prediction: a choice of boxes keeps everything that belongs to each of them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.prediction import Detections, InstanceMasks


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
