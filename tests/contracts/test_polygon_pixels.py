"""Polygons as pixels, against the even-odd rule written out for one pixel at a time in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.polygon_pixels import class_map, inside

WIDTH, HEIGHT = 12, 9
Polygon = list[tuple[int, int]]
"""Corners in eighths of a pixel."""

coordinates = st.tuples(st.integers(-40, WIDTH * 8 + 40), st.integers(-40, HEIGHT * 8 + 40))
polygons = st.lists(coordinates, min_size=1, max_size=9)


def is_inside(polygon: Polygon, column: int, row: int) -> bool:
    """Whether a ray from the pixel's centre to the right crosses an odd number of edges.

    A centre on an edge belongs to what lies right of it; an edge has its upper end, not its lower one.
    """
    x, y = Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2)
    odd = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        ax, ay, bx, by = (Fraction(number, 8) for number in (x1, y1, x2, y2))
        if (ay <= y < by) or (by <= y < ay):
            crossing = ax + (y - ay) * (bx - ax) / (by - ay)
            odd ^= x < crossing
    return odd


@settings(max_examples=200, deadline=None)
@given(polygon=polygons)
def test_every_pixel_by_the_even_odd_rule(polygon: Polygon) -> None:
    expected = [[is_inside(polygon, column, row) for column in range(WIDTH)] for row in range(HEIGHT)]
    found = inside(np.array(polygon, np.float64) / 8, WIDTH, HEIGHT)
    centres_on_edges = _on_edges(polygon)
    assert not ((found != np.array(expected)) & ~centres_on_edges).any()


def _on_edges(polygon: Polygon) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where floating point may round to either side: centres exactly on an edge that is neither upright nor level."""
    found = np.zeros((HEIGHT, WIDTH), np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        for row in range(HEIGHT):
            for column in range(WIDTH):
                px, py = 8 * column + 4, 8 * row + 4
                found[row, column] |= (x2 - x1) * (py - y1) == (y2 - y1) * (px - x1)
    return found


def test_neighbours_share_an_edge_without_gap_or_overlap() -> None:
    left = np.array([(0, 0), (5.5, 0), (3.25, 9), (0, 9)])
    right = np.array([(5.5, 0), (12, 0), (12, 9), (3.25, 9)])
    assert (inside(left, WIDTH, HEIGHT) ^ inside(right, WIDTH, HEIGHT)).all()


def test_later_polygons_lie_on_top() -> None:
    whole, corner = np.array([(0, 0), (12, 0), (12, 9), (0, 9)]), np.array([(0, 0), (2, 0), (2, 2), (0, 2)])
    ids = class_map([(4, whole), (7, corner)], WIDTH, HEIGHT, background=255)
    assert (ids[:2, :2] == 7).all()
    assert np.count_nonzero(ids == 4) == WIDTH * HEIGHT - 4
