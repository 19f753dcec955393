"""Truth on the picture: where it belongs, and told apart from predictions without seeing colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.config import LAYERS, Layer
from contracts.fit import Stretch
from contracts.picture import Picture
from contracts.prediction import Classification, ClassMap, Detections, Mask, MaskRole, Prediction
from outputs.draw import Painter
from tests.outputs.scenes import FIGURES, NOTHING, area, changed, crowded, detections, grey, noise, one_box, result_of


def painted(
    picture: Picture, truth: Prediction | None, prediction: Prediction = NOTHING, layers: tuple[Layer, ...] = LAYERS
) -> Picture:
    result = result_of(picture, prediction)
    result.frame = replace(result.frame, truth=truth)
    return Painter(layers, 0.45, "okabe-ito", truth=True).paint(result, FIGURES if "panel" in layers else None)


def without(picture: Picture, prediction: Prediction = NOTHING, layers: tuple[Layer, ...] = LAYERS) -> Picture:
    painter = Painter(layers, 0.45, "okabe-ito")
    result = result_of(picture, prediction)
    result.frame = replace(result.frame, truth=crowded(picture))  # which nobody asked to draw
    return painter.paint(result, FIGURES if "panel" in layers else None)


def same(one: Picture, other: Picture) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


@pytest.mark.parametrize("truth", [None, NOTHING])
def test_a_frame_without_truth_looks_as_ever(truth: Prediction | None) -> None:
    picture = noise(320, 180)
    assert same(painted(picture, truth, crowded(picture)), without(picture, crowded(picture)))


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(1, 200), st.integers(0, 9))
def test_every_size_of_picture_takes_it(width: int, height: int, seed: int) -> None:
    picture = noise(width, height, seed)
    drawn = painted(picture, crowded(picture), crowded(picture))
    assert drawn.planes[0].shape == (height + height % 2, width + width % 2)


@pytest.mark.parametrize(("size", "line"), [((640, 360), 2), ((1280, 720), 2), ((1920, 1080), 4)])
def test_a_box_is_a_broken_line_in_black_and_white_with_gaps_and_whole_corners(
    size: tuple[int, int], line: int
) -> None:
    picture = grey(*size)
    drawn = painted(picture, Prediction({"b": one_box([100, 60, 300, 260], 1, 1)}), layers=("boxes",))
    luma = drawn.planes[0]
    ring = np.zeros_like(luma, bool)
    ring[60:260, 100:300] = True
    ring[60 + line : 260 - line, 100 + line : 300 - line] = False
    assert not changed(drawn, picture)[~ring].any()
    for side in (luma[60, 100:300], luma[259, 100:300], luma[60:260, 100], luma[60:260, 299]):
        shares = {value: float((side == value).mean()) for value in (16, 100, 235)}
        assert set(np.unique(side)) == {16, 100, 235}
        assert min(shares.values()) > 0.1
        assert (side[: 5 * line] == 235).all()
        assert (side[-5 * line :] == 235).all()
    assert (drawn.planes[1] == 128).all()
    assert (drawn.planes[2] == 128).all()


def test_it_is_told_from_a_prediction_by_someone_who_sees_no_colours() -> None:
    """On grey: a prediction's line has one lightness, the truth's three."""
    picture = grey(640, 360)
    box = Prediction({"b": one_box([100, 60, 300, 260], 1, 0.9)})
    seen = painted(picture, None, box, ("boxes",)).planes[0][60, 100:300]
    truth = painted(picture, box, layers=("boxes",)).planes[0][60, 100:300]
    assert len(np.unique(seen)) == 1
    assert len(np.unique(truth)) == 3


def on_frame(mask: Mask) -> NDArray[np.bool_]:
    return np.asarray(mask.on_frame() == 1)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720)])
def test_an_area_is_hatched_inside_its_edge_and_nothing_beyond(size: tuple[int, int]) -> None:
    picture = grey(*size)
    mask = area(picture, slice(20, 38))
    drawn = painted(picture, Prediction({"drivable": mask}), layers=("drivable",))
    inside = np.asarray(changed(drawn, picture))
    near = np.repeat(np.repeat(on_frame(mask)[::2, ::2], 2, axis=0), 2, axis=1)
    assert not inside[~near & ~on_frame(mask)].any()
    share = inside[on_frame(mask)].mean()
    assert 0.03 < share < 0.35, "stripes, through which the road is seen"
    assert drawn.planes[0][on_frame(mask)].max() > 190
    assert drawn.planes[0][on_frame(mask)].min() < 80
    assert (drawn.planes[1] == 128).all()


def test_a_lane_line_is_outlined_only() -> None:
    picture = grey(640, 360)
    mask = area(picture, slice(20, 30), "lane")
    drawn = painted(picture, Prediction({"lane": mask}), layers=("lanes",))
    rows = np.flatnonzero(on_frame(mask).any(axis=1))
    middle = slice(int(rows[0]) + 6, int(rows[-1]) - 6)
    assert not changed(drawn, picture)[middle, 6:-6].any()
    assert changed(drawn, picture)[rows[0] - 1 : rows[0] + 2].any()


def test_classes_are_hatched_in_their_colours_with_lines_between_them() -> None:
    picture = grey(640, 360)
    ids = np.zeros((2, 4), np.uint8)
    ids[:, 2:] = 1
    part = ClassMap(ids, Stretch(640, 360, 4, 2), ("sky", "background"), ((250, 40, 40), (9, 9, 9)))
    drawn = painted(picture, Prediction({"classes": part}), layers=("drivable",))
    different = changed(drawn, picture)
    assert not different[:, 326:].any(), "background is not painted"
    assert different[:, 318:322].any(axis=1).all(), "the border"
    blue = drawn.planes[1][:, : 310 // 2] > 150
    assert 0.02 < blue.mean() < 0.3


def test_layers_that_are_not_wanted_are_not_drawn() -> None:
    picture = noise(640, 360)
    truth = crowded(picture)
    assert same(painted(picture, truth, layers=("panel",)), without(picture, layers=("panel",)))
    lanes = painted(picture, Prediction({"lane": area(picture, slice(3, 9), "lane")}), layers=("boxes", "drivable"))
    assert same(lanes, without(picture, layers=("boxes", "drivable")))


def whites(drawn: Picture, below: slice = slice(None)) -> int:
    """Pixels of pure white, which no prediction's label here has."""
    return int((drawn.planes[0][below] == 235).sum())


def test_what_no_network_saw_gets_a_label_and_what_it_saw_needs_none() -> None:
    picture = grey(640, 360)
    box: Detections = one_box([100, 160, 200, 260], 1, 1)
    labels: tuple[Layer, ...] = ("labels",)
    missed = painted(picture, Prediction({"b": box}), layers=labels)
    seen = painted(picture, Prediction({"b": box}), Prediction({"b": one_box([104, 162, 204, 258], 1, 0.7)}), labels)
    other = painted(picture, Prediction({"b": box}), Prediction({"b": one_box([104, 162, 204, 258], 0, 0.7)}), labels)
    upper = slice(0, 300)
    assert whites(missed, upper) > 200
    assert whites(seen, upper) == 0
    assert whites(other, upper) > 200


@pytest.mark.parametrize(
    "truth",
    [
        Prediction({"label": Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("glass",))}),
        Prediction({"b": one_box([10, 10, 50, 50], 1, 1)}),
    ],
)
def test_the_corner_says_what_is_truth(truth: Prediction) -> None:
    picture = grey(640, 360)
    drawn = painted(picture, truth, layers=("boxes", "labels"))
    assert whites(drawn, slice(320, 360)) > 100
    assert not changed(drawn, picture)[300:, :320].any()


@pytest.mark.parametrize("role", ["drivable", "lane", ""])
def test_a_mask_that_is_empty_or_full_is_no_fault(role: MaskRole) -> None:
    picture = noise(64, 48)
    for value in (0, 1):
        mask = Mask(np.full((6, 8), value, np.uint8), Stretch(64, 48, 8, 6), "x", role)
        painted(picture, Prediction({"x": mask, "b": detections([])}))
