"""IoU and CIoU against the formulas, one pair at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.training.losses.batches import random_boxes
from training.losses.overlap import complete_iou, iou

Corners = tuple[float, float, float, float]


def slow_iou(a: Corners, b: Corners) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def slow_complete_iou(a: Corners, b: Corners) -> float:
    overlap = slow_iou(a, b)
    apart = math.hypot((a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2)
    diagonal = math.hypot(max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    angles = math.atan((b[2] - b[0]) / (b[3] - b[1])) - math.atan((a[2] - a[0]) / (a[3] - a[1]))
    unlike = 4 / math.pi**2 * angles**2
    share = unlike / (1 - overlap + unlike) if unlike else 0.0
    return overlap - (apart / diagonal) ** 2 - share * unlike


def test_values_are_those_of_the_formulas() -> None:
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 200, 100), random_boxes(rng, 200, 100)
    pairs = list(zip(first.astype(float).tolist(), second.astype(float).tolist(), strict=True))
    a, b = torch.from_numpy(first), torch.from_numpy(second)
    assert iou(a, b).numpy() == pytest.approx([slow_iou(*pair) for pair in pairs], abs=1e-5)
    assert complete_iou(a, b).numpy() == pytest.approx([slow_complete_iou(*pair) for pair in pairs], abs=1e-5)


def test_the_same_box_has_one() -> None:
    box = torch.tensor([[10.0, 20.0, 40.0, 60.0]])
    assert float(complete_iou(box, box)) == pytest.approx(1, abs=1e-5)


def test_boxes_apart_are_pulled_together() -> None:
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]], requires_grad=True)
    (-complete_iou(box, torch.tensor([[50.0, 0.0, 60.0, 10.0]]))).sum().backward()  # type: ignore[no-untyped-call]
    assert box.grad is not None
    assert box.grad[0, 0] + box.grad[0, 2] < 0  # a step against the gradient moves the centre right


def test_boxes_without_area_stay_finite() -> None:
    point = torch.tensor([[5.0, 5.0, 5.0, 5.0]], requires_grad=True)
    value = complete_iou(point, torch.tensor([[5.0, 5.0, 5.0, 5.0]]))
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value).all()
    assert point.grad is not None
    assert torch.isfinite(point.grad).all()
