"""The losses of areas, one pixel at a time, and against the values of the original programs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from training.losses.areas import (
    HardPixels,
    SoftCounts,
    binary_focal,
    cross_entropy,
    soft_counts,
    tversky,
    two_channels,
)

SEEDS = st.integers(0, 10_000)


def random_case(seed: int, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Logits (2, C, 5, 6) and labels (2, 5, 6), some 255."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (2, 5, 6))
    labels[rng.random(labels.shape) < 0.2] = 255
    logits = rng.normal(0, 2, (2, classes, 5, 6)).astype(np.float32)
    return torch.from_numpy(logits), torch.from_numpy(labels.astype(np.uint8))


def pixels(logits: Tensor, labels: Tensor) -> list[tuple[int, NDArray[np.float64]]]:
    """(label, logits of the pixel) of every pixel that counts."""
    rows = logits.double().permute(0, 2, 3, 1).reshape(-1, logits.shape[1]).numpy()
    return [(int(label), row) for label, row in zip(labels.ravel().tolist(), rows, strict=True) if label != 255]


def chance(row: NDArray[np.float64], label: int) -> float:
    return float(np.exp(row[label]) / np.exp(row).sum())


def slow_cross_entropy(
    logits: Tensor, labels: Tensor, weights: list[float], focus: float, hard: HardPixels | None
) -> float:
    chances = sorted((chance(row, label), label) for label, row in pixels(logits, labels))
    if hard is not None:
        least = int(hard.least * len(chances))
        chances = [pair for rank, pair in enumerate(chances) if pair[0] < hard.below or rank < least]
    total = sum(weights[label] for _, label in chances)
    losses = [weights[label] * (1 - p) ** focus * -math.log(p) for p, label in chances]
    return sum(losses) / total if total else 0.0


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    focus=st.sampled_from([0.0, 1.0, 2.0]),
    hard=st.one_of(st.none(), st.builds(HardPixels, st.floats(0, 1), st.floats(0, 1))),
)
def test_cross_entropy_is_that_of_the_slow_reference(seed: int, focus: float, hard: HardPixels | None) -> None:
    logits, labels = random_case(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, 4).astype(np.float32)
    found = cross_entropy(logits, labels, torch.from_numpy(weights), focus=focus, hard=hard)
    assert float(found) == pytest.approx(slow_cross_entropy(logits, labels, weights.tolist(), focus, hard), rel=1e-4)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_binary_focal_is_that_of_the_slow_reference(seed: int) -> None:
    logits, labels = random_case(seed, classes=2)
    losses = []
    for label, row in pixels(logits, labels):
        for channel in (0, 1):
            score = 1 / (1 + math.exp(-row[channel]))
            p, alpha = (score, 0.3) if label == channel else (1 - score, 0.7)
            losses.append(-alpha * (1 - p) ** 2 * math.log(p))
    found = binary_focal(logits, *two_channels(labels), alpha=0.3)
    assert float(found) == pytest.approx(2 * np.mean(losses), rel=1e-4)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_tversky_is_that_of_the_slow_reference(seed: int) -> None:
    logits, labels = random_case(seed, classes=2)
    found = false = missed = 0.0
    for label, row in pixels(logits, labels):
        p = chance(row, 1)
        found += p * (label == 1)
        false += p * (label == 0)
        missed += (1 - p) * (label == 1)
    counts = soft_counts(logits.softmax(1), *two_channels(labels))
    index = (found + 1) / (found + 1 + 0.3 * false + 0.7 * missed)
    assert float(tversky(counts, false=0.3, missed=0.7, smooth=1.0)[1]) == pytest.approx(1 - index, abs=1e-5)


def test_halves_of_false_and_missed_are_the_dice_loss() -> None:
    counts = SoftCounts(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([2.0]))
    assert float(tversky(counts, false=0.5, missed=0.5)) == pytest.approx(1 - 2 * 3 / (2 * 3 + 1 + 2), rel=1e-5)


@pytest.mark.parametrize("hard", [None, HardPixels(0.6, 1 / 16)])
def test_where_nothing_counts_nothing_is_learned(hard: HardPixels | None) -> None:
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    truth, counted = two_channels(labels)
    index = tversky(soft_counts(logits.softmax(1), truth, counted), false=0.7, missed=0.3).sum()
    loss = cross_entropy(logits, labels, torch.ones(2), hard=hard) + binary_focal(logits, truth, counted) + index
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_what_is_said_of_uncounted_pixels_changes_nothing(seed: int) -> None:
    logits, labels = random_case(seed, classes=2)
    other = torch.where((labels == 255)[:, None], torch.tensor(50.0), logits)
    truth, counted = two_channels(labels)
    losses: list[Callable[[Tensor], Tensor]] = [
        lambda scores: cross_entropy(scores, labels, torch.ones(2)),
        lambda scores: cross_entropy(scores, labels, torch.ones(2), focus=2.0, hard=HardPixels(0.6, 0.25)),
        lambda scores: binary_focal(scores, truth, counted),
        lambda scores: tversky(soft_counts(scores.sigmoid(), truth, counted), false=0.3, missed=0.7).sum(),
    ]
    for loss in losses:
        assert float(loss(logits)) == float(loss(other))


def test_the_hardest_pixels_are_kept_even_where_all_are_easy() -> None:
    sure = torch.zeros(1, 2, 1, 4)
    sure[0, 0] = torch.tensor([5.0, 4.0, 3.0, 2.0])
    labels = torch.zeros(1, 1, 4, dtype=torch.uint8)
    found = cross_entropy(sure, labels, torch.ones(2), hard=HardPixels(0.1, 0.5))
    wanted = np.mean([math.log(1 + math.exp(-3)), math.log(1 + math.exp(-2))])
    assert float(found) == pytest.approx(wanted, rel=1e-5)
