"""Polygons around masks: the same pixels come back, whoever fills them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from outputs.polygons import Ring, joined, rings_of

Mask = NDArray[np.uint8]


def blob(seed: int, *, hole: bool = False, parts: int = 1) -> Mask:
    """Ellipses on 160 × 120 pixels; the hole is a fifth of the first one's size."""
    random = np.random.default_rng(seed)
    mask = np.zeros((120, 160), np.uint8)
    for part in range(parts):
        centre = (int(random.integers(40, 120)), int(random.integers(35, 85)))
        axes = (int(random.integers(12, 35)), int(random.integers(10, 30)))
        angle = float(random.uniform(0, 180))
        cv2.ellipse(mask, centre, axes, angle, 0, 360, (1,), -1)
        if hole and part == 0:
            cv2.ellipse(mask, centre, (max(axes[0] // 2, 3), max(axes[1] // 2, 3)), angle, 0, 360, (0,), -1)
    return mask


def as_ultralytics_fills(ring: Ring, shape: tuple[int, ...]) -> Mask:
    """Corners cut to whole pixels, then OpenCV, edges included."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [ring.astype(np.int32)], (1,))
    return mask


def by_centres(ring: Ring, shape: tuple[int, ...]) -> Mask:
    """A pixel is set where a ray from its centre to the right crosses an odd number of edges."""
    y, x = np.indices(shape) + 0.5
    odd = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) / (y2 - y1) * (x2 - x1))
    return odd.astype(np.uint8)


def iou(one: Mask, other: Mask) -> float:
    return float(np.sum(one & other) / max(int(np.sum(one | other)), 1))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), hole=st.booleans(), parts=st.integers(1, 3))
def test_the_mask_comes_back(seed: int, hole: bool, parts: int) -> None:
    mask = blob(seed, hole=hole, parts=parts)
    ring = joined(rings_of(mask))
    assert iou(as_ultralytics_fills(ring, mask.shape), mask) >= 0.95
    assert iou(by_centres(ring, mask.shape), mask) >= 0.99


def test_a_hole_stays_one() -> None:
    mask = np.ones((40, 40), np.uint8)
    mask[10:30, 12:28] = 0
    (ring,) = rings_of(mask)
    np.testing.assert_array_equal(as_ultralytics_fills(ring, mask.shape), mask)
    np.testing.assert_array_equal(by_centres(ring, mask.shape), mask)


def test_parts_are_rings_largest_first() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[2:5, 2:5] = mask[6:18, 10:28] = 1
    small, large = np.zeros_like(mask), np.zeros_like(mask)
    small[2:5, 2:5] = large[6:18, 10:28] = 1
    first, second = rings_of(mask)
    np.testing.assert_array_equal(by_centres(first, mask.shape), large)
    np.testing.assert_array_equal(by_centres(second, mask.shape), small)
    np.testing.assert_array_equal(by_centres(joined([first, second]), mask.shape), mask)  # the seam has no width


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5)])
def test_the_smallest(size: tuple[int, int]) -> None:
    mask = np.zeros((12, 14), np.uint8)
    mask[2 : 2 + size[0], 3 : 3 + size[1]] = 1
    (ring,) = rings_of(mask)
    assert len(ring) >= 3
    np.testing.assert_array_equal(as_ultralytics_fills(ring, mask.shape), mask)
    np.testing.assert_array_equal(by_centres(ring, mask.shape), mask)


def test_nothing_set_no_ring() -> None:
    assert rings_of(np.zeros((5, 5), np.uint8)) == []
