"""Centre lines: known lengths, forks, rings, and what is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from contracts.centre_lines import centre_lines

Mask = NDArray[np.uint8]
_FINER = 8  # times a drawing is finer than the mask that is made of it


def drawn(lines: Sequence[Sequence[tuple[float, float]]], width: float, size: tuple[int, int] = (400, 400)) -> Mask:
    """A mask (h, w) of open polylines with square ends: a pixel is set where at least half of it is covered."""
    fine = np.zeros((size[1] * _FINER, size[0] * _FINER), np.uint8)
    for line in lines:
        points = np.array(line, np.float64)
        for one, other in pairwise(points):
            along = (other - one) / math.dist(one, other)
            across = np.array([-along[1], along[0]]) * width / 2
            corners = np.array([one + across, other + across, other - across, one - across])
            cv2.fillPoly(fine, [np.round(corners * _FINER - 0.5).astype(np.int32)], 255)
        for x, y in points[1:-1]:  # joints are round
            cv2.circle(fine, (round(x * _FINER), round(y * _FINER)), round(width / 2 * _FINER), 255, -1)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA) > 127, np.uint8)


def total(mask: Mask) -> float:
    return sum(line.length for line in centre_lines(mask))


@pytest.mark.parametrize("width", [1.5, 2, 3, 4, 7])
@pytest.mark.parametrize("degrees", range(0, 180, 13))
def test_a_straight_line_has_its_length_and_width_at_any_angle(degrees: int, width: float) -> None:
    way = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    start, end = np.array([200.3, 199.6]) - 75 * way, np.array([200.3, 199.6]) + 75 * way
    mask = drawn([[tuple(start), tuple(end)]], width)
    (line,) = centre_lines(mask)
    assert line.length == pytest.approx(150, rel=0.03)
    assert line.width == pytest.approx(np.count_nonzero(mask) / line.length, abs=1)
    rows, columns = mask.nonzero()
    middle = (np.stack([columns, rows], axis=1) + 0.5 - start) @ [-way[1], way[0]]
    aside = (line.points - start) @ [-way[1], way[0]]
    assert aside.mean() == pytest.approx(middle.mean(), abs=0.25)
    assert np.abs(aside[20:-20] - middle.mean()).max() < 0.5


@pytest.mark.parametrize(("width", "length"), [(12, 180), (20, 240), (40, 360)])
def test_wide_ones_that_are_scaled_down_too(width: int, length: int) -> None:
    mask = drawn([[(20.0, 200.0), (20.0 + length, 200.0)]], width)
    assert total(mask) == pytest.approx(length, rel=0.03)
    assert total(np.ascontiguousarray(mask.T)) == pytest.approx(length, rel=0.03)


@pytest.mark.parametrize("width", [2, 5])
def test_curves(width: float) -> None:
    angles = np.linspace(0.2, 2.7, 60)
    arc = [(200 + 120 * math.cos(angle), 60 + 120 * math.sin(angle)) for angle in angles]
    assert total(drawn([arc], width)) == pytest.approx(120 * 2.5, rel=0.03)
    wave = [(20 + x, 200 + 30 * math.sin(x / 25)) for x in range(0, 360, 3)]
    true = sum(math.dist(one, other) for one, other in pairwise(wave))
    assert total(drawn([wave], width)) == pytest.approx(true, rel=0.03)


def test_a_fork_counts_every_branch_once() -> None:
    ends = [(200.0, 20.0), (50.0, 350.0), (350.0, 350.0)]
    lines = centre_lines(drawn([[(200.0, 200.0), end] for end in ends], 4))
    assert sorted(line.length for line in lines) == pytest.approx([180, 212, 212], rel=0.03)
    meeting = [min(np.hypot(*(line.points - (200, 200)).T)) for line in lines]
    assert max(meeting) < 2


def test_a_tree_of_cracks() -> None:
    twigs = [[(60.0 + 40 * step, 200.0), (60.0 + 40 * step + 25, 200.0 + 60 * (-1) ** step)] for step in range(6)]
    mask = drawn([[(20.0, 200.0), (380.0, 200.0)], *twigs], 3)
    assert total(mask) == pytest.approx(360 + 6 * 65, rel=0.03)
    assert len(centre_lines(mask)) == 7 + 6


def test_a_ring() -> None:
    mask = np.zeros((300, 300), np.uint8)
    cv2.circle(mask, (150, 150), 100, 1, 5)
    (line,) = centre_lines(mask)
    assert line.length == pytest.approx(2 * math.pi * 100, rel=0.03)
    assert line.points[0] == pytest.approx(line.points[-1])


def test_a_ring_inside_a_ring_and_a_line_inside_both() -> None:
    mask = np.zeros((300, 300), np.uint8)
    for radius in (120, 60):
        cv2.circle(mask, (150, 150), radius, 1, 3)
    mask[149:152, 120:180] = 1
    assert sorted(line.length for line in centre_lines(mask)) == pytest.approx([60, 377, 754], rel=0.03)


@pytest.mark.parametrize("radius", [1, 2, 5, 20, 60])
def test_a_blob_is_as_long_as_it_is_wide(radius: int) -> None:
    mask = np.zeros((200, 200), np.uint8)
    cv2.circle(mask, (100, 100), radius, 1, -1)
    assert total(mask) == pytest.approx(2 * radius + 1, rel=0.15)


def test_ragged_edges_grow_no_branches() -> None:
    chance = np.random.default_rng(3)
    steps = np.linspace(0, 1, 150)
    sides = [(30 + 340 * steps, 120 + 160 * steps + side * (6 + chance.random(150) * 3)) for side in (-1, 1)]
    outline = np.concatenate([np.stack(sides[0], axis=1), np.stack(sides[1], axis=1)[::-1]])
    mask = np.zeros((400, 400), np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    longest = max(line.length for line in centre_lines(mask))
    assert longest == pytest.approx(math.hypot(340, 160), rel=0.03)
    assert total(mask) < 1.15 * longest


def test_nothing_everything_a_pixel_and_the_frame_s_edge() -> None:
    assert centre_lines(np.zeros((40, 60), np.uint8)) == []
    pixel = np.zeros((5, 5), np.uint8)
    pixel[2, 3] = 1
    (line,) = centre_lines(pixel)
    assert line.points.mean(axis=0) == pytest.approx((3.5, 2.5))
    assert line.length == pytest.approx(1, abs=0.6)
    assert len(centre_lines(np.ones((1, 1), np.uint8))) == 1
    assert len(centre_lines(np.ones((90, 160), np.uint8))) >= 1
    row = np.zeros((30, 100), np.uint8)
    row[:2] = 1
    assert total(row) == pytest.approx(100, rel=0.02)


def test_noise_has_no_lines_and_costs_no_minutes() -> None:
    noise = np.asarray(np.random.default_rng(0).random((360, 640)) < 0.5, np.uint8)
    assert centre_lines(noise) == []


@settings(max_examples=100, deadline=None)
@given(arrays(np.uint8, (24, 30), elements=st.integers(0, 1)))
def test_any_mask_has_lines_inside_it(mask: Mask) -> None:
    found = centre_lines(mask)
    assert bool(found) == bool(mask.any())
    for line in found:
        assert np.isfinite(line.points).all()
        assert (line.points >= -0.5).all()
        assert (line.points <= (30.5, 24.5)).all()
