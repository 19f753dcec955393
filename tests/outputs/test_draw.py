"""The painter: every layer where it belongs, nothing anywhere else, on any picture of any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Thread

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.config import LAYERS, Layer
from contracts.fit import Letterbox, Stretch
from contracts.picture import Picture, Pixels
from contracts.prediction import Mask, Prediction
from outputs.draw.colours import PALETTES
from tests.outputs.scenes import (
    FIGURES,
    area,
    changed,
    crowded,
    detections,
    grey,
    noise,
    painter,
    result_of,
)

SIZE = (640, 360)


@pytest.mark.parametrize(
    ("layer", "inside"),
    [
        ("drivable", (0, 246, 640, 360)),
        ("lanes", (0, 302, 640, 328)),
        ("boxes", (64, 0, 640, 344)),
        ("panel", (0, 0, 200, 180)),
        ("labels", (8, 0, 640, 352)),
        ("regions", (0, 84, 612, 360)),
    ],
)
def test_a_layer_alone_draws_in_its_own_place(layer: Layer, inside: tuple[int, int, int, int]) -> None:
    picture = noise(*SIZE)
    where = changed(painter(layer, areas=True).paint(result_of(picture, crowded(picture)), FIGURES), picture)
    x1, y1, x2, y2 = inside
    assert where[y1:y2, x1:x2].any()
    where[y1:y2, x1:x2] = False
    assert not where.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_can_be_left_out(layer: Layer) -> None:
    picture = grey(*SIZE)
    everything = painter(*LAYERS, areas=True).paint(result_of(picture, crowded(picture)), FIGURES)
    others = painter(*(other for other in LAYERS if other != layer), areas=True)
    without = others.paint(result_of(picture, crowded(picture)), FIGURES)
    assert changed(everything, without).any()


def test_no_layer_and_no_figures_draw_nothing() -> None:
    picture = noise(*SIZE)
    assert not changed(painter().paint(result_of(picture, crowded(picture)), FIGURES), picture).any()
    assert not changed(painter("panel").paint(result_of(picture, crowded(picture)), None), picture).any()


def test_the_source_is_never_written() -> None:
    picture = noise(*SIZE)
    before = [plane.copy() for plane in picture.planes]
    painter(*LAYERS, alpha=1.0).paint(result_of(picture, crowded(picture)), FIGURES)
    for plane, old in zip(picture.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


def test_lanes_lie_on_areas_whatever_the_order_of_heads() -> None:
    picture = grey(120, 80)
    road, lane = area(picture, slice(0, 40)), area(picture, slice(10, 20), "lane")
    one = painter("drivable", "lanes").paint(result_of(picture, Prediction({"a": road, "b": lane})), None)
    other = painter("drivable", "lanes").paint(result_of(picture, Prediction({"b": lane, "a": road})), None)
    np.testing.assert_array_equal(one.owner, other.owner)
    strong = np.abs(one.bgr()[30, 60, ::-1].astype(int) - PALETTES["okabe-ito"].lane).max()
    assert strong < 30, "a lane line keeps its own colour on the drivable area"


def test_a_mask_without_a_role_is_an_area_of_its_own_colour() -> None:
    picture = grey(120, 80)
    data = np.ones((40, 60), np.uint8)
    mask = Mask(data, Stretch(120, 80, 60, 40), "bus")
    drawn = painter("drivable", alpha=1.0).paint(result_of(picture, Prediction({"m": mask})), None)
    np.testing.assert_allclose(drawn.bgr()[40, 60, ::-1], PALETTES["okabe-ito"].classes[2], atol=3)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["yuv420p", "bgr24", "nv12"]))
def test_tiny_frames_with_everything_on(width: int, height: int, kind: str) -> None:
    base = noise(width, height)
    picture = {
        "yuv420p": base,
        "nv12": Picture("nv12", (base.planes[0], np.stack(base.planes[1:], axis=-1))),
        "bgr24": Picture.from_bgr(np.zeros((height, width, 3), np.uint8)),
    }[kind]
    drawn = painter(*LAYERS).paint(result_of(picture, crowded(picture)), FIGURES)
    assert (drawn.width - width, drawn.height - height) == (width % 2, height % 2)


def test_painters_of_several_streams_run_side_by_side() -> None:
    scenes = [(noise(640, 360, seed), FIGURES) for seed in range(4)]
    wanted = [painter(*LAYERS).paint(result_of(p, crowded(p)), f).owner.copy() for p, f in scenes]
    got: dict[int, list[Pixels]] = {}

    def work(index: int) -> None:
        one, (picture, figures) = painter(*LAYERS), scenes[index]
        got[index] = [one.paint(result_of(picture, crowded(picture)), replace(figures)).owner.copy() for _ in range(10)]

    threads = [Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for index, pictures in got.items():
        for pixels in pictures:
            np.testing.assert_array_equal(pixels, wanted[index])
    assert len(got) == 4


@pytest.mark.shared
@pytest.mark.parametrize(
    "clip", ["highway720_300.mp4", "bt601_full.mp4", "tenbit.mp4", "odd_853x479.mkv", "mjpeg_city.avi", "hevc_city.mp4"]
)
def test_real_frames_keep_their_colours(shared: Path, clip: str) -> None:
    with av.open(str(shared / "clips" / clip)) as container:
        picture = Picture.from_av(next(container.decode(video=0)))
    before = [plane.copy() for plane in picture.planes]
    box = [picture.width * 0.6, picture.height * 0.5, picture.width * 0.8, picture.height * 0.7]
    mask = Mask(np.ones((40, 40), np.uint8), Letterbox(picture.width, picture.height, 40, 40), "m", "lane")
    scene = Prediction({"b": detections([box]), "m": mask})
    one = painter("boxes", "panel")
    drawn = one.paint(result_of(picture, scene), FIGURES)
    quarter = (slice(picture.height // 4 * 3, picture.height), slice(0, picture.width // 2))
    blurred = [cv2.blur(pixels[quarter], (9, 9)).astype(int) for pixels in (drawn.bgr(), picture.bgr())]
    assert np.abs(blurred[0] - blurred[1]).max() <= 3
    painter(*LAYERS).paint(result_of(picture, scene), FIGURES)
    for plane, old in zip(picture.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)
