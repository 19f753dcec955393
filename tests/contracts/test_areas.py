"""Areas: which points and pixels polygons enclose, against a slow reference in exact numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.areas import Area
from contracts.polygon import Polygon

Corners = list[tuple[int, int]]
CORNERS = st.lists(st.tuples(st.integers(-8, 40), st.integers(-8, 40)), min_size=3, max_size=9, unique=True)


def encloses(corners: Corners, x: Fraction, y: Fraction) -> bool:
    """Even-odd: how often a ray to the right crosses the polygon's edges, one by one."""
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * Fraction(x2 - x1, y2 - y1):
            inside = not inside
    return inside


def on_a_slanted_edge(corners: Corners, x: Fraction, y: Fraction) -> bool:
    """Where rounding decides the side."""
    return any(
        y1 != y2 and x1 != x2 and (y2 - y1) * (x - x1) == (x2 - x1) * (y - y1)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True)
    )


def text(corners: Corners) -> str:
    return " ".join(f"{x},{y}" for x, y in corners)


@settings(deadline=None)
@given(st.lists(CORNERS, min_size=1, max_size=3), st.lists(st.tuples(st.integers(-40, 160), st.integers(-40, 160))))
def test_points_are_where_the_even_odd_rule_has_them(polygons: list[Corners], quarters: Corners) -> None:
    places = [(Fraction(x, 4), Fraction(y, 4)) for x, y in quarters]
    places = [place for place in places if not any(on_a_slanted_edge(corners, *place) for corners in polygons)]
    assume(places)
    area = Area.of([Polygon.parse(text(corners)) for corners in polygons], 32, 32)
    wanted = [any(encloses(corners, x, y) for corners in polygons) for x, y in places]
    points = np.array([[float(x), float(y)] for x, y in places], np.float32)
    assert area.contains(points).tolist() == wanted


@settings(deadline=None)
@given(st.lists(CORNERS, min_size=1, max_size=3), st.integers(1, 30), st.integers(1, 30))
def test_a_mask_has_the_pixels_whose_centres_are_inside(polygons: list[Corners], width: int, height: int) -> None:
    """At the picture's own resolution and at any other."""
    area = Area.of([Polygon.parse(text(corners)) for corners in polygons], 32, 24)
    mask = area.mask(width, height)
    assert mask.shape == (height, width)
    assert mask.dtype == np.uint8
    for row in range(height):
        for column in range(width):
            x, y = Fraction(2 * column + 1, 2 * width) * 32, Fraction(2 * row + 1, 2 * height) * 24
            # in the scaled picture an edge through a centre may round to either side, level and upright ones too
            near = any(
                abs((y2 - y1) * (x - x1) - (x2 - x1) * (y - y1)) < Fraction(1, 10**9)
                for corners in polygons
                for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True)
            )
            if not near and not any(y == corner[1] for corners in polygons for corner in corners):
                assert mask[row, column] == any(encloses(corners, x, y) for corners in polygons)


def test_where_edges_cross_what_is_enclosed_twice_is_outside() -> None:
    star = Area.of([Polygon.parse("50,5 80,95 5,35 95,35 20,95")], 100, 100)
    assert star.contains(np.array([[50, 50], [50, 20], [0, 0], [25, 40]])).tolist() == [False, True, False, True]


def test_polygons_of_one_area_add_up() -> None:
    """Unlike the edges of a single one: two that overlap enclose what they share."""
    both = Area.of([Polygon.parse("0,0 10,0 10,10 0,10"), Polygon.parse("5,0 15,0 15,10 5,10")], 20, 20)
    assert both.mask(20, 20).sum() == 150


@given(st.integers(1, 19), st.integers(0, 20), st.integers(0, 20))
def test_areas_that_share_an_edge_share_no_place_and_leave_none_out(across: int, top: int, bottom: int) -> None:
    left = Area.of([Polygon.parse(f"0,0 {across},0 {top},7 {bottom},13 {across},20 0,20")], 20, 20)
    right = Area.of([Polygon.parse(f"20,0 {across},0 {top},7 {bottom},13 {across},20 20,20")], 20, 20)
    assume(0 < top < 20)
    assume(0 < bottom < 20)
    assert (left.mask(20, 20) + right.mask(20, 20) == 1).all()


def test_nowhere_is_in_no_area() -> None:
    area = Area.of([Polygon.parse("0,0 10,0 10,10 0,10")], 10, 10)
    assert not area.contains(np.array([[np.nan, 5], [5, np.nan], [np.inf, 5], [-np.inf, 5]], np.float32)).any()
    assert area.contains(np.zeros((0, 2), np.float32)).shape == (0,)
