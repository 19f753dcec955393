"""Boxes and their labels on the picture: crisp, inside the frame, in the right colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.config import Layer
from contracts.picture import ColourMatrix
from contracts.prediction import Detections, Prediction
from outputs.draw.colours import PALETTES, Rgb
from outputs.draw.labels import Plate
from tests.outputs.scenes import (
    FIGURES,
    NAMES,
    area,
    changed,
    detections,
    grey,
    one_box,
    painter,
    result_of,
)


def coordinates() -> st.SearchStrategy[float]:
    return st.floats(-50, 400, width=32) | st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0])


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 200),
    st.lists(st.tuples(*[coordinates()] * 4), max_size=12),
)
def test_any_box_is_a_crisp_rectangle_inside_the_frame(
    width: int, height: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    picture = grey(width, height)
    drawn = painter("boxes").paint(result_of(picture, Prediction({"b": detections(boxes)})), None)
    luma, chroma = drawn.planes[0] != 100, (drawn.planes[1] != 128) | (drawn.planes[2] != 128)
    wanted = np.zeros_like(luma)
    for box in boxes:
        x1, y1, x2, y2 = (0 if np.isnan(value) else value for value in box)
        left, top = (int(np.clip(v, 0, limit - 1) // 2 * 2) for v, limit in ((x1, luma.shape[1]), (y1, luma.shape[0])))
        right = max(int(-(-np.clip(x2, 0, luma.shape[1]) // 2) * 2), left + 2)
        bottom = max(int(-(-np.clip(y2, 0, luma.shape[0]) // 2) * 2), top + 2)
        wanted[top:bottom, left:right] |= ring(bottom - top, right - left, 2)
    np.testing.assert_array_equal(luma, wanted)
    np.testing.assert_array_equal(chroma & ~wanted[::2, ::2], False)


def ring(height: int, width: int, line: int) -> NDArray[np.bool_]:
    pixels = np.ones((height, width), bool)
    pixels[line:-line, line:-line] = False
    return pixels


@pytest.mark.parametrize(("size", "line"), [((320, 240), 2), ((1280, 720), 2), ((1920, 1080), 4), ((3840, 2160), 8)])
def test_lines_grow_with_the_picture(size: tuple[int, int], line: int) -> None:
    width, height = size
    picture = grey(width, height)
    box = [width * 0.25, height * 0.25, width * 0.75, height * 0.75]
    luma = painter("boxes").paint(result_of(picture, Prediction({"b": detections([box])})), None).planes[0]
    assert np.count_nonzero(luma[height // 2] != 100) == 2 * line


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("palette", ["okabe-ito", "bright"])
@pytest.mark.parametrize(("name", "place"), [("person", 3), ("car", 0)])
def test_colours_survive_the_way_to_bgr(matrix: ColourMatrix, palette: str, name: str, place: int) -> None:
    picture = grey(1920, 1080, matrix)
    found = detections([[100, 100, 900, 900]], [NAMES.index(name)])
    shown = painter("boxes", palette=palette).paint(result_of(picture, Prediction({"b": found})), None).bgr()
    wanted: Rgb = PALETTES[palette].classes[place]
    np.testing.assert_allclose(shown[500, 101, ::-1], wanted, atol=3)
    mask = painter("drivable", palette=palette, alpha=1.0)
    shown = mask.paint(result_of(picture, Prediction({"m": area(picture, slice(0, 40))})), None).bgr()
    np.testing.assert_allclose(shown[500, 500, ::-1], PALETTES[palette].drivable, atol=3)


def test_the_same_class_has_one_colour_in_every_head() -> None:
    picture = grey(640, 360)
    other_ids = Detections(
        np.array([[300, 50, 400, 150]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("car",)
    )
    scene = Prediction({"a": detections([[50, 50, 150, 150]], [1]), "b": other_ids})
    drawn = painter("boxes").paint(result_of(picture, scene), None)
    for plane, scale in zip(drawn.planes, (1, 2, 2), strict=True):
        assert plane[100 // scale, 50 // scale] == plane[100 // scale, 300 // scale]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(1, 300),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=25),
    st.booleans(),
)
def test_labels_are_inside_the_frame_and_disjoint(
    width: int, height: int, corners: list[tuple[float, float, float, float]], with_panel: bool
) -> None:
    boxes = [(min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height) for a, b, c, d in corners]
    picture = grey(width, height)
    spots: list[tuple[int, int, int, int]] = []
    put = Plate.put

    def noted(plate: Plate, canvas: object, x: int, y: int) -> None:
        spots.append((x, y, plate.width, plate.height))
        put(plate, canvas, x, y)  # type: ignore[arg-type]

    layers: tuple[Layer, ...] = ("labels", "panel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plate, "put", noted)
        drawn = painter(*layers).paint(
            result_of(picture, Prediction({"b": detections(boxes)})), FIGURES if with_panel else None
        )
    panel = painter("panel").paint(result_of(picture), FIGURES if with_panel else None)
    taken = (panel.planes[0] != 100).astype(int)
    for x, y, wide, tall in spots:
        assert 0 <= x <= drawn.width - wide
        assert 0 <= y <= drawn.height - tall
        taken[y : y + tall, x : x + wide] += 1
    assert taken.max(initial=0) <= 1
    np.testing.assert_array_equal(drawn.planes[0][taken == 0], 100)


def test_the_best_score_of_all_heads_comes_first() -> None:
    """It gets the only place for a label, and its box lies on top."""
    picture = grey(120, 24)
    best, other = one_box([0, 0, 120, 24], 1, 0.9), one_box([0, 0, 120, 24], 0, 0.4)
    for layer in ("labels", "boxes"):
        alone = painter(layer).paint(result_of(picture, Prediction({"b": best})), None)
        assert changed(alone, picture).any()
        for scene in (Prediction({"a": other, "b": best}), Prediction({"b": best, "z": other})):
            np.testing.assert_array_equal(painter(layer).paint(result_of(picture, scene), None).owner, alone.owner)
