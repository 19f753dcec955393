"""Fit: forward and back are inverses, and letterboxing is ultralytics'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fit import Fit, Letterbox, Stretch, inside

SIZES = st.integers(1, 5000)
SIDES = st.integers(1, 20_000)
FITS = st.builds(lambda kind, sizes: kind(*sizes), st.sampled_from([Letterbox, Stretch]), st.tuples(*[SIZES] * 4))
POINTS = st.lists(st.tuples(st.floats(-100, 6000), st.floats(-100, 6000)), min_size=1, max_size=5)


@given(FITS, POINTS)
def test_to_frame_undoes_to_network_and_the_other_way_round(fit: Fit, points: list[tuple[float, float]]) -> None:
    given_points = np.array(points)
    there = fit.to_frame(fit.to_network(given_points))
    back = fit.to_network(fit.to_frame(given_points))
    np.testing.assert_allclose(there, given_points, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(back, given_points, rtol=1e-9, atol=1e-6)


@given(FITS)
def test_the_frame_s_corners_are_the_content_s_corners(fit: Fit) -> None:
    corners = np.array([[0, 0], [fit.frame_width, fit.frame_height]], float)
    window = fit.content
    wanted = [[window.left, window.top], [window.left + window.width, window.top + window.height]]
    np.testing.assert_allclose(fit.to_network(corners), wanted, rtol=1e-9)
    assert window.left >= 0
    assert window.top >= 0
    assert window.left + window.width <= fit.network_width
    assert window.top + window.height <= fit.network_height


@given(SIZES, SIZES, SIZES, SIZES)
def test_a_letterbox_keeps_the_aspect_ratio_to_a_pixel(width: int, height: int, across: int, down: int) -> None:
    window = Letterbox(width, height, across, down).content
    ratio = min(across / width, down / height)
    assert abs(window.width - max(width * ratio, 1)) <= 0.5
    assert abs(window.height - max(height * ratio, 1)) <= 0.5


@pytest.mark.parametrize(
    ("frame", "network", "window"),
    [
        # worked out by hand from ultralytics' rule: round(size · r), bars of round(rest / 2 − 0.1) before
        ((1280, 720), (640, 640), (0, 140, 640, 360)),
        ((1280, 720), (672, 384), (0, 3, 672, 378)),
        ((480, 848), (640, 640), (139, 0, 362, 640)),
        ((853, 479), (640, 640), (0, 140, 640, 359)),
        ((1, 1), (640, 384), (128, 0, 384, 384)),
        ((4000, 10), (640, 640), (0, 319, 640, 2)),
    ],
)
def test_letterboxes_worked_out_by_hand(
    frame: tuple[int, int], network: tuple[int, int], window: tuple[int, int, int, int]
) -> None:
    found = Letterbox(*frame, *network).content
    assert (found.left, found.top, found.width, found.height) == window


def test_boxes_are_clipped_to_the_frame_and_keep_their_type() -> None:
    fit = Letterbox(1280, 720, 640, 640)
    boxes = np.array([[-10, 100, 700, 600], [100, 240, 200, 340]], np.float32)
    found = fit.boxes_to_frame(boxes)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 0, 1280, 720], [200, 200, 400, 400]])


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_padding_is_cut_off_masks_of_any_resolution(scale: int) -> None:
    mask = np.zeros((640 // scale, 640 // scale), np.uint8)
    mask[140 // scale : 500 // scale] = 1
    content = Letterbox(1280, 720, 640, 640).content_of(mask)
    assert content.all()
    assert abs(content.shape[0] - 360 / scale) <= 1
    assert np.shares_memory(content, mask)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
def test_a_fitted_picture_touches_two_sides_and_keeps_its_proportions(
    picture: tuple[int, int], room: tuple[int, int]
) -> None:
    width, height = inside(picture, room)
    assert 1 <= width <= room[0]
    assert 1 <= height <= room[1]
    assert width == room[0] or height == room[1]
    assert width == max(1, round(picture[0] * height / picture[1])) or height == max(
        1, round(picture[1] * width / picture[0])
    )
