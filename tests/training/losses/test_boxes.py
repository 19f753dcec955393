"""BoxLoss: its parts against slow references, and what it is at its end and without boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.training.losses.batches import batch_of, grid
from training.losses.assigner import Assigner
from training.losses.boxes import BoxLoss, distribution_loss

POINTS = grid(64, 64, 8)
STRIDES = torch.full((64,), 8.0)
BOX = [10.0, 14.0, 50.0, 44.0]


def slow_distribution_loss(logits: list[float], distance: float) -> float:
    total = sum(math.exp(value) for value in logits)
    lower = min(math.floor(distance), len(logits) - 2)
    share = distance - lower
    chances = [math.exp(value) / total for value in logits]
    return -((1 - share) * math.log(chances[lower]) + share * math.log(chances[lower + 1]))


def test_distributions_are_compared_with_the_two_bins_around() -> None:
    rng = np.random.default_rng(1)
    bins = rng.normal(0, 2, (30, 4, 16)).astype(np.float32)
    distances = np.concatenate([rng.uniform(0, 15, (28, 4)), [[0, 15, 1, 14], [-2, 17, 3, 99]]]).astype(np.float32)
    found = distribution_loss(torch.from_numpy(bins).reshape(30, 64), torch.from_numpy(distances))
    held = distances.clip(0, 15)
    wanted = [
        np.mean([slow_distribution_loss(bins[row, side].tolist(), float(held[row, side])) for side in range(4)])
        for row in range(30)
    ]
    assert found.numpy() == pytest.approx(wanted, rel=1e-4)


def perfect_logits(correct: float) -> torch.Tensor:
    """Sure of class 1 inside the box, sure of nothing outside."""
    inside = (POINTS[:, 0] > BOX[0]) & (POINTS[:, 0] < BOX[2]) & (POINTS[:, 1] > BOX[1]) & (POINTS[:, 1] < BOX[3])
    logits = torch.full((1, 64, 3), -20.0)
    logits[0, inside, 1] = correct
    return logits


def test_a_perfect_answer_has_no_loss() -> None:
    found = torch.tensor(BOX).expand(1, 64, 4)
    batch = batch_of([BOX], class_ids=[1])
    terms = BoxLoss(assigner=Assigner(topk=64))(POINTS, STRIDES, found, perfect_logits(20.0), batch)
    assert terms.keys() == {"box", "class"}
    assert float(terms["box"]) == pytest.approx(0, abs=1e-4)
    assert float(terms["class"]) == pytest.approx(0, abs=1e-4)


def test_every_term_teaches() -> None:
    torch.manual_seed(0)
    raw, bins = torch.zeros(1, 64, 4, requires_grad=True), torch.randn(1, 64, 64, requires_grad=True)
    logits = torch.randn(1, 64, 3, requires_grad=True)
    reach = raw.exp() * 8
    found = torch.cat([POINTS - reach[..., :2], POINTS + reach[..., 2:]], 2)
    terms = BoxLoss()(POINTS, STRIDES, found, logits, batch_of([BOX], class_ids=[1]), bins=bins)
    assert terms.keys() == {"box", "class", "dfl"}
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    for tensor in (raw, bins, logits):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().sum() > 0


def test_without_boxes_only_false_ones_cost() -> None:
    terms = BoxLoss()(POINTS, STRIDES, torch.rand(1, 64, 4), torch.zeros(1, 64, 3), batch_of([]))
    assert float(terms["box"]) == 0
    assert float(terms["class"]) == pytest.approx(0.5 * 64 * 3 * math.log(2), rel=1e-5)


def test_nothing_is_learned_where_nothing_counts() -> None:
    batch = batch_of([[0, 0, 64, 64]], class_ids=[77], counts=[False])
    terms = BoxLoss()(POINTS, STRIDES, torch.rand(1, 64, 4), torch.randn(1, 64, 3), batch)
    assert [float(term) for term in terms.values()] == [0, 0]


def test_weights_scale_terms_and_classes() -> None:
    found, batch = torch.tensor([4.0, 4.0, 60.0, 60.0]).expand(1, 64, 4), batch_of([BOX], class_ids=[1])
    logits = torch.zeros(1, 64, 3)
    plain = BoxLoss(box=1, classes=1)(POINTS, STRIDES, found, logits, batch)
    doubled = BoxLoss(box=2, classes=3)(POINTS, STRIDES, found, logits, batch)
    assert float(doubled["box"]) == pytest.approx(2 * float(plain["box"]))
    assert float(doubled["class"]) == pytest.approx(3 * float(plain["class"]))
    one = BoxLoss(classes=1, class_weights=(1.0, 0.0, 0.0))(POINTS, STRIDES, found, logits, batch)
    assert float(one["class"]) == pytest.approx(float(plain["class"]) / 3, rel=1e-5)  # at 0, every class costs ln 2
