"""The canvas: any picture becomes limited-range I420 of even size, in memory of its own."""

from __future__ import annotations

import av
import numpy as np
import pytest

from contracts.config import LAYERS
from contracts.picture import ColourMatrix, Picture
from tests.outputs.scenes import (
    FIGURES,
    crowded,
    noise,
    painter,
    result_of,
)


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 46), (2, 2), (1, 1), (1, 5), (853, 479)])
def test_undrawn_pixels_are_the_sources_own(size: tuple[int, int]) -> None:
    picture = noise(*size)
    drawn = painter(*LAYERS).paint(result_of(picture), None)
    assert (drawn.format, drawn.matrix, drawn.full_range, drawn.tagged) == ("yuv420p", "bt709", False, True)
    assert drawn.width == size[0] + size[0] % 2
    assert drawn.height == size[1] + size[1] % 2
    repeated = np.pad(picture.planes[0], ((0, size[1] % 2), (0, size[0] % 2)), mode="edge")
    np.testing.assert_array_equal(drawn.planes[0], repeated)
    np.testing.assert_array_equal(drawn.planes[1], picture.planes[1])
    np.testing.assert_array_equal(drawn.planes[2], picture.planes[2])


def test_nv12_is_only_taken_apart() -> None:
    picture = noise(31, 18)
    woven = np.stack(picture.planes[1:], axis=-1)
    drawn = painter().paint(result_of(Picture("nv12", (picture.planes[0], woven), "bt2020")), None)
    np.testing.assert_array_equal(drawn.planes[0][:, :31], picture.planes[0])
    np.testing.assert_array_equal(drawn.planes[1], picture.planes[1])
    np.testing.assert_array_equal(drawn.planes[2], picture.planes[2])
    assert (drawn.matrix, drawn.tagged) == ("bt2020", False)


@pytest.mark.parametrize("kind", ["yuv420p", "nv12"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_full_range_becomes_limited_with_the_same_colours(kind: str, matrix: ColourMatrix) -> None:
    half = np.full((24, 32), 90, np.uint8), np.full((24, 32), 170, np.uint8)
    luma = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 48, axis=0)
    if kind == "nv12":
        picture = Picture("nv12", (luma, np.stack(half, axis=-1)), matrix, full_range=True, tagged=True)
    else:
        picture = Picture("yuv420p", (luma, *half), matrix, full_range=True, tagged=True)
    drawn = painter().paint(result_of(picture), None)
    assert (drawn.full_range, drawn.matrix) == (False, matrix)
    np.testing.assert_allclose(drawn.planes[0], 16 + luma.astype(float) * 219 / 255, atol=1)
    np.testing.assert_allclose(drawn.planes[1], 128 + (90 - 128) * 224 / 255, atol=1)
    np.testing.assert_allclose(drawn.planes[2], 128 + (170 - 128) * 224 / 255, atol=1)
    np.testing.assert_allclose(drawn.bgr().astype(int), picture.bgr(), atol=4)


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_bgr_becomes_bt601_and_says_so(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), (200, 90, 30), np.uint8)
    drawn = painter().paint(result_of(Picture.from_bgr(pixels)), None)
    assert (drawn.matrix, drawn.tagged, drawn.full_range) == ("bt601", True, False)
    np.testing.assert_allclose(drawn.bgr()[: size[1], : size[0]], pixels, atol=3)


def test_the_buffer_is_what_an_encoder_takes() -> None:
    drawn = painter("panel").paint(result_of(noise(320, 240)), FIGURES)
    wrapped = av.VideoFrame.from_numpy_buffer(drawn.owner, "yuv420p")
    np.testing.assert_array_equal(wrapped.to_ndarray(), drawn.owner)
    for plane, mine in zip(wrapped.planes, drawn.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        np.testing.assert_array_equal(rows[: plane.height, : plane.width], mine)


def test_a_finished_picture_is_read_only() -> None:
    drawn = painter().paint(result_of(noise(8, 8)), None)
    for array in (*drawn.planes, drawn.owner):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_living_pictures_never_share_memory_and_dead_ones_give_it_back() -> None:
    one = painter("boxes")
    drawn = [one.paint(result_of(noise(64, 48, seed)), None) for seed in range(20)]
    for seed, picture in enumerate(drawn):
        np.testing.assert_array_equal(picture.planes[0], noise(64, 48, seed).planes[0])
    places = {picture.planes[0].ctypes.data for picture in drawn}
    assert len(places) == 20
    del drawn, picture
    assert one.paint(result_of(noise(64, 48)), None).planes[0].ctypes.data in places


def test_a_source_may_change_its_size() -> None:
    one = painter(*LAYERS)
    for width, height in [(480, 270), (320, 180), (480, 270)]:
        scene = crowded(picture := noise(width, height))
        again = painter(*LAYERS).paint(result_of(picture, scene), FIGURES)
        np.testing.assert_array_equal(one.paint(result_of(picture, scene), FIGURES).owner, again.owner)
