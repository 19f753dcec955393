"""Masks on the canvas: the right pixels, the right mixture, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.fit import Fit, Letterbox, Stretch
from contracts.picture import Picture, Pixels
from contracts.prediction import Mask
from outputs.draw.canvas import Canvas, Canvases
from outputs.draw.colours import Yuv
from outputs.draw.masks import CUT, MaskBrush, crop_of


def canvas_of(width: int, height: int, seed: int = 0) -> Canvas:
    random = np.random.default_rng(seed)
    sizes = (height, width), (-(-height // 2), -(-width // 2)), (-(-height // 2), -(-width // 2))
    planes = tuple(random.integers(16, 236, size, np.uint8) for size in sizes)
    return Canvases().of(Picture("yuv420p", planes))


def blobs(width: int, height: int, seed: int) -> Pixels:
    """A few rectangles and a diagonal line."""
    random = np.random.default_rng(seed)
    data = np.zeros((height, width), np.uint8)
    for _ in range(random.integers(0, 4)):
        (top, bottom), (left, right) = (
            np.sort(random.integers(0, height + 1, 2)),
            np.sort(random.integers(0, width + 1, 2)),
        )
        data[top:bottom, left:right] = 1
    if random.random() < 0.5:
        steps = np.arange(min(width, height))
        data[steps, steps] = 1
    return data


def smoothed(content: Pixels) -> NDArray[np.float64]:
    """The 1-2-1 filter each way, edges repeated."""
    padded = np.pad(content.astype(float), 1, mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4)


def reference(mask: Mask, plane_size: tuple[int, int]) -> NDArray[np.float64]:
    """How much of the mask is at each pixel's centre of a plane (width, height): pixel by pixel, through the fit."""
    fit, field = mask.fit, smoothed(mask.content())
    to_mask = np.array([mask.data.shape[1] / fit.network_width, mask.data.shape[0] / fit.network_height])
    corner = np.array([fit.content.left, fit.content.top]) * to_mask
    result = np.empty((plane_size[1], plane_size[0]))
    for row in range(plane_size[1]):
        for column in range(plane_size[0]):
            on_frame = np.array([(column + 0.5) / plane_size[0], (row + 0.5) / plane_size[1]])
            on_frame *= [fit.frame_width, fit.frame_height]
            x, y = fit.to_network(on_frame) * to_mask - corner - 0.5
            x, y = np.clip(x, 0, field.shape[1] - 1), np.clip(y, 0, field.shape[0] - 1)
            left, top = int(x), int(y)
            right, bottom = min(left + 1, field.shape[1] - 1), min(top + 1, field.shape[0] - 1)
            upper = field[top, left] * (1 - x + left) + field[top, right] * (x - left)
            lower = field[bottom, left] * (1 - x + left) + field[bottom, right] * (x - left)
            result[row, column] = upper * (1 - y + top) + lower * (y - top)
    return result


def painted(canvas: Canvas, mask: Mask) -> tuple[NDArray[np.bool_], ...]:
    """Where each plane takes the colour when the mask is painted solid."""
    for plane in (canvas.y, canvas.u, canvas.v):
        plane[:] = 10
    MaskBrush().paint(canvas, mask, Yuv(200, 201, 202), 1.0)
    return canvas.y == 200, canvas.u == 201, canvas.v == 202


def agree(got: NDArray[np.bool_], wanted: NDArray[np.float64]) -> None:
    clear = np.abs(wanted - CUT / 255) > 0.01  # 8-bit filters may fall to the other side at the very edge
    np.testing.assert_array_equal(got[clear], (wanted > CUT / 255)[clear])


@st.composite
def fits(draw: st.DrawFn) -> Fit:
    kind = draw(st.sampled_from([Stretch, Letterbox]))
    return kind(*(draw(st.integers(1, 90)) for _ in "wh"), *(draw(st.integers(4, 48)) for _ in "wh"))


@settings(deadline=None)  # the reference is slow on purpose
@given(fits(), st.integers(0, 10**6))
def test_geometry_is_the_fits(fit: Fit, seed: int) -> None:
    width, height = fit.frame_width, fit.frame_height
    mask = Mask(blobs(fit.network_width, fit.network_height, seed), fit, "drivable", "drivable")
    luma, u, v = painted(canvas := canvas_of(width, height), mask)
    agree(luma[:height, :width], reference(mask, (width, height)))
    assert not luma[height:].any()
    assert not luma[:, width:].any()
    agree(u, reference(mask, (canvas.width // 2, canvas.height // 2)))
    np.testing.assert_array_equal(u, v)


@pytest.mark.parametrize(
    "fit",
    [
        Stretch(128, 72, 64, 36),  # TwinLiteNet's case: exactly twice
        Letterbox(128, 72, 64, 64),
        Letterbox(72, 128, 64, 64),
        Letterbox(96, 54, 64, 40),
        Stretch(85, 47, 64, 36),
        Stretch(32, 24, 64, 36),  # a frame smaller than the network
    ],
)
@pytest.mark.parametrize("quarter", [1, 4])
def test_masks_of_a_lower_resolution_than_the_input(fit: Fit, quarter: int) -> None:
    """The padding is cut on whole mask pixels, so a quarter-size mask may be off by half of one."""
    data = np.zeros((fit.network_height // quarter, fit.network_width // quarter), np.uint8)
    data[data.shape[0] // 2 :, data.shape[1] // 4 :] = 1
    mask = Mask(data, fit, "drivable", "drivable")
    luma = painted(canvas_of(fit.frame_width, fit.frame_height), mask)[0][: fit.frame_height, : fit.frame_width]
    wanted = reference(mask, (fit.frame_width, fit.frame_height))
    inside, outside = wanted > 0.9, wanted < 0.01
    assert inside.any()
    assert outside.any()
    slack = 0 if quarter == 1 else 0.06
    assert 1 - luma[inside].mean() <= slack
    assert luma[outside].mean() <= slack


BYTES = st.integers(0, 255)


@given(
    st.floats(0, 1), st.builds(Yuv, BYTES, BYTES, BYTES), st.integers(2, 40), st.integers(2, 40), st.integers(0, 999)
)
def test_mixture_is_the_float_formula_and_the_rest_is_untouched(
    alpha: float, colour: Yuv, width: int, height: int, seed: int
) -> None:
    canvas = canvas_of(width, height, seed)
    mask = Mask(blobs(24, 16, seed), Stretch(width, height, 24, 16), "drivable", "drivable")
    where = painted(canvas_of(width, height), mask)
    before = [plane.copy() for plane in (canvas.y, canvas.u, canvas.v)]
    MaskBrush().paint(canvas, mask, colour, alpha)
    values = (colour.y, colour.u, colour.v)
    for plane, old, inside, value in zip((canvas.y, canvas.u, canvas.v), before, where, values, strict=True):
        np.testing.assert_array_equal(plane[~inside], old[~inside])
        exact = (1 - alpha) * old[inside].astype(float) + alpha * value
        assert np.abs(plane[inside] - exact).max(initial=0) <= 0.501


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 300))
def test_a_crop_ends_where_pixel_borders_meet(begin: int, length: int, extra: int, target: int) -> None:
    source = begin + length + extra
    crop = crop_of(begin, length, source, target)
    assert crop.start * target == crop.first * source
    assert crop.stop * target == crop.last * source
    assert 0 <= crop.start <= max(begin - 2, 0)
    assert min(begin + length + 2, source) <= crop.stop <= source


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_a_line_one_pixel_wide_survives(step: tuple[int, int]) -> None:
    data = np.zeros((36, 64), np.uint8)
    for i in range(16):
        data[18 + i * step[1], 20 + i * step[0]] = 1
    luma, u, _ = painted(canvas_of(128, 72), Mask(data, Stretch(128, 72, 64, 36), "lane", "lane"))
    for i in range(1, 15):
        row, column = 18 + i * step[1], 20 + i * step[0]
        assert luma[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].any()
        assert u[row, column]


def test_one_brush_serves_masks_of_all_sizes() -> None:
    brush = MaskBrush()
    for width, height, across, down in [(200, 100, 64, 36), (20, 10, 8, 8), (400, 300, 128, 128)]:
        canvas, alone = canvas_of(width, height), canvas_of(width, height)
        mask = Mask(blobs(across, down, 5), Letterbox(width, height, across, down), "x")
        brush.paint(canvas, mask, Yuv(1, 2, 3), 0.4)
        MaskBrush().paint(alone, mask, Yuv(1, 2, 3), 0.4)
        np.testing.assert_array_equal(canvas.buffer, alone.buffer)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_an_empty_mask_or_no_strength_changes_nothing(alpha: float) -> None:
    canvas = canvas_of(40, 30)
    before = canvas.buffer.copy()
    data = np.zeros((16, 16), np.uint8) if alpha else np.ones((16, 16), np.uint8)
    MaskBrush().paint(canvas, Mask(data, Stretch(40, 30, 16, 16), "drivable"), Yuv(1, 2, 3), alpha)
    np.testing.assert_array_equal(canvas.buffer, before)
