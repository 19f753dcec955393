"""Class maps on the canvas: each class in its colour, where the fit says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.config import LAYERS
from contracts.fit import Fit, Letterbox, Stretch
from contracts.picture import Picture, Pixels
from contracts.prediction import ClassMap, Prediction
from outputs.draw.canvas import Canvas, Canvases
from outputs.draw.class_maps import ClassMapBrush
from outputs.draw.colours import to_yuv
from tests.outputs.scenes import FIGURES, changed, grey, noise, painter, result_of

NAMES = ("background", "road", "car", "Void", "sky")
PALETTE = ((9, 9, 9), (128, 64, 128), (142, 0, 0), (1, 2, 3), (180, 130, 70))
UNPAINTED = (0, 3, 200)


def random_ids(shape: tuple[int, int], seed: int) -> Pixels:
    """Few large blocks, some single pixels."""
    random = np.random.default_rng(seed)
    chosen = random.choice(np.array([0, 1, 2, 3, 4, 200], np.uint8), random.integers(1, 5))
    ids = np.full(shape, chosen[0], np.uint8)
    for one in chosen:
        (top, bottom), (left, right) = (np.sort(random.integers(0, side + 1, 2)) for side in shape)
        ids[top:bottom, left:right] = one
    ids[random.random(shape) < 0.02] = chosen[-1]
    return ids


@st.composite
def fits(draw: st.DrawFn) -> Fit:
    kind = draw(st.sampled_from([Stretch, Letterbox]))
    return kind(*(draw(st.integers(1, 90)) for _ in "wh"), *(draw(st.integers(4, 48)) for _ in "wh"))


def nearest(part: ClassMap, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The id in which each pixel's centre of a plane (width, height) lies, and where that is beyond doubt."""
    content = part.content()
    axes = []
    for target, source in zip(size, content.shape[::-1], strict=True):
        places = (np.arange(target) + 0.5) * source / target
        index = np.minimum(np.floor(places).astype(int), source - 1)
        axes.append((index, np.abs(places - np.round(places)) > 1e-6))
    (columns, clear_x), (rows, clear_y) = axes
    return content[np.ix_(rows, columns)].astype(np.int64), clear_y[:, None] & clear_x[None, :]


def planes_of(canvas: Canvas) -> list[tuple[str, Pixels]]:
    return [("y", canvas.y[: canvas.frame_height, : canvas.frame_width]), ("u", canvas.u), ("v", canvas.v)]


@settings(deadline=None)
@given(fits(), st.integers(0, 10**6), st.sampled_from([0.2, 0.45, 1.0]))
def test_every_pixel_goes_towards_the_colour_of_its_class_and_no_other_changes(
    fit: Fit, seed: int, alpha: float
) -> None:
    part = ClassMap(random_ids((fit.network_height, fit.network_width), seed), fit, NAMES, PALETTE)
    canvas = Canvases().of(noise(fit.frame_width, fit.frame_height, seed))
    before = [plane.astype(float) for _, plane in planes_of(canvas)]
    ClassMapBrush().paint(canvas, part, alpha)
    for (channel, plane), old in zip(planes_of(canvas), before, strict=True):
        ids, clear = nearest(part, (plane.shape[1], plane.shape[0]))
        for found in np.unique(ids):
            of_class = clear & (ids == found)
            if found in UNPAINTED:
                np.testing.assert_array_equal(plane[of_class], old[of_class])
                continue
            blue, green, red = PALETTE[found]
            wanted = getattr(to_yuv((red, green, blue), canvas.matrix), channel)
            mixed = (1 - alpha) * old[of_class] + alpha * wanted
            np.testing.assert_allclose(plane[of_class], mixed, atol=0.51)


def test_the_padding_of_a_letterbox_is_no_class_of_the_frame() -> None:
    ids = np.full((64, 64), 2, np.uint8)
    ids[14:50] = 0
    part = ClassMap(ids, Letterbox(1280, 720, 64, 64), NAMES, PALETTE)
    picture = noise(1280, 720)
    assert not changed(painter("drivable").paint(result_of(picture, Prediction({"m": part})), None), picture).any()


def test_a_brush_remembers_nothing_of_the_last_frame() -> None:
    brush = ClassMapBrush()
    for seed in range(12):
        size = (40 + seed * 2, 90 - seed * 4)
        part = ClassMap(random_ids((30, 20), seed), Stretch(*size, 20, 30), NAMES, PALETTE)
        one, other = Canvases().of(noise(*size, seed)), Canvases().of(noise(*size, seed))
        brush.paint(one, part, 0.5)
        ClassMapBrush().paint(other, part, 0.5)
        np.testing.assert_array_equal(one.buffer, other.buffer)


@pytest.mark.parametrize("kind", ["yuv420p", "bgr24"])
def test_alpha_0_changes_nothing(kind: str) -> None:
    picture = noise(160, 90) if kind == "yuv420p" else Picture.from_bgr(np.full((90, 160, 3), 77, np.uint8))
    part = ClassMap(random_ids((45, 80), 3), Stretch(160, 90, 80, 45), NAMES, PALETTE)
    drawn = painter(*LAYERS, alpha=0.0).paint(result_of(picture, Prediction({"m": part})), None)
    nothing = painter().paint(result_of(picture), FIGURES)
    np.testing.assert_array_equal(drawn.owner, nothing.owner)


def test_the_map_is_below_areas_and_lanes_and_belongs_to_its_layer() -> None:
    picture = grey(120, 80)
    part = ClassMap(np.ones((8, 12), np.uint8), Stretch(120, 80, 12, 8), NAMES, PALETTE)
    result = result_of(picture, Prediction({"m": part}))
    assert changed(painter("drivable").paint(result, None), picture).all()
    assert not changed(painter("boxes", "lanes", "panel").paint(result, None), picture).any()
    drawn = painter("drivable", alpha=1.0).paint(result, None)
    np.testing.assert_allclose(drawn.bgr()[40, 60], PALETTE[1], atol=3)
