"""One map moves picture, masks and boxes: against a slow reference, and against what can be seen in the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.datasets.sample import UNCOUNTED, Sample
from tests.training.augment.painted import extent, is_red, noisy, painted
from training.augment.warp import Matrix, moving, scaling, turning, warped

SIZE = (90, 70)


def matrix_of(scale: float, degrees: float, right: float, down: float, mirrored: bool) -> Matrix:
    change = moving(45 + right, 35 + down) @ turning(degrees) @ scaling(scale, scale) @ moving(-40, -30)
    return moving(90, 0) @ scaling(-1, 1) @ change if mirrored else change


maps = st.builds(
    matrix_of, st.floats(0.55, 2.5), st.floats(-40, 40), st.floats(-60, 60), st.floats(-50, 50), st.booleans()
)


@given(maps)
@settings(deadline=None, max_examples=40)
def test_each_pixel_shows_the_place_that_the_map_says(matrix: Matrix) -> None:
    sample = Sample("x", noisy(80, 60), masks={"road": np.indices((60, 80)).sum(0).astype(np.uint8)})
    made = warped(sample, matrix, SIZE, 77)
    rows, columns = np.indices((70, 90)) + 0.5
    x, y, _ = np.einsum("ij,jrc->irc", np.linalg.inv(matrix), np.stack([columns, rows, np.ones_like(rows)]))
    inside = (x > 0.6) & (y > 0.6) & (x < 79.4) & (y < 59.4)
    outside = (x < -0.6) | (y < -0.6) | (x > 80.6) | (y > 60.6)
    nearest = sample.picture[np.floor(y).astype(int).clip(0, 59), np.floor(x).astype(int).clip(0, 79)]
    assert np.abs(made.picture[inside].astype(int) - nearest[inside]).max(initial=0) <= 20  # the picture is smooth
    assert (made.picture[outside] == 77).all()
    assert (made.masks["road"][outside] == UNCOUNTED).all()
    near_a_border = np.abs(np.stack([x % 1, y % 1]) - 0.5).max(0) > 0.49  # between two pixels either is right
    sure = inside & ~near_a_border
    np.testing.assert_array_equal(made.masks["road"][sure], (np.floor(x) + np.floor(y))[sure])


@given(maps, st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(8, 20), st.integers(8, 20)))
@settings(deadline=None, max_examples=60)
def test_boxes_are_where_the_rectangle_is_seen(matrix: Matrix, place: tuple[int, int, int, int]) -> None:
    left, top, width, height = place
    made = warped(painted(80, 60, (left, top, left + width, top + height)), matrix, SIZE, 0)
    seen = extent(made.masks["road"] == 1)
    if seen is None:
        return
    (box,) = made.boxes
    assert (box[:2] <= seen[:2] + 1.5).all()
    assert (box[2:] >= seen[2:] - 1.5).all()
    cut = (box <= 0.5).any() or (box >= np.array([*SIZE, *SIZE]) - 0.5).any()
    if not cut:  # a turned rectangle that is cut has its corner outside: its box is larger than what is seen of it
        np.testing.assert_allclose(box, seen, atol=1.8)
        coloured = extent(is_red(made.picture))
        assert coloured is not None
        np.testing.assert_allclose(box, coloured, atol=1.8)
        assert made.counts.all()


def test_a_sliver_is_a_region_that_does_not_count_and_what_is_gone_is_gone() -> None:
    sample = painted(80, 60, (60, 10, 80, 30))
    counted = warped(sample, moving(0, 0), (66, 60), 0)  # 6 of 20 columns
    sliver = warped(sample, moving(0, 0), (64, 60), 0)  # 4 of 20 columns
    gone = warped(sample, moving(0, 0), (60, 60), 0)
    assert counted.counts.tolist() == [True]
    assert sliver.counts.tolist() == [False]
    np.testing.assert_array_equal(sliver.boxes, [[60, 10, 64, 30]])
    assert len(gone.boxes) == len(gone.class_ids) == len(gone.counts) == 0


def test_what_becomes_too_small_does_not_count() -> None:
    sample = painted(80, 60, (20, 10, 26, 40))
    assert warped(sample, scaling(0.5, 0.5), (40, 30), 0).counts.tolist() == [True]  # 3 pixels wide
    assert warped(sample, scaling(0.3, 0.3), (24, 18), 0).counts.tolist() == [False]


@given(maps)
@settings(deadline=None, max_examples=30)
def test_uncounted_regions_never_begin_to_count(matrix: Matrix) -> None:
    made = warped(painted(80, 60, (0, 0, 80, 60), counts=False), matrix, SIZE, 0)
    assert not made.counts.any()
    seen = extent(made.masks["road"] == 1)
    if seen is not None:
        assert (made.boxes[0][:2] <= seen[:2] + 1).all()
        assert (made.boxes[0][2:] >= seen[2:] - 1).all()


def test_what_shrinks_much_is_averaged() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[::4] = 255
    made = warped(Sample("x", stripes), turning(2) @ scaling(0.1, 0.1), (40, 40), 0)
    assert np.abs(made.picture[10:30, 10:30].astype(int) - 64).max() < 15  # bilinear alone would give 0 and 255 too


def test_no_boxes_and_no_masks_are_no_trouble() -> None:
    made = warped(Sample("x", noisy(20, 20)), turning(5), (30, 30), 0)
    assert made.boxes.shape == (0, 4)
    assert made.boxes.dtype == np.float32
    assert made.masks == {}
