"""Colours: safe for colour-blind people, stable per class, right in every matrix, readable under text."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.picture import ColourMatrix, Picture
from outputs.draw.colours import PALETTES, Rgb, Yuv, class_colour, contrast, text_on, to_yuv

# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
VISION: dict[str, list[list[float]]] = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: Rgb, vision: str) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of an sRGB colour as somebody with that vision sees it."""
    srgb = np.array(colour) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    ratio = to_xyz @ seen / np.array([0.95047, 1.0, 1.08883])
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def nearest_pair(colours: tuple[Rgb, ...], vision: str) -> float:
    points = [lab(colour, vision) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(points, 2))


# ΔE*ab 2.3 is just noticeable; the floors are 5 to 11 times that.
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("palette", "floor"), [("okabe-ito", 15), ("bright", 12)])
def test_the_eight_class_colours_differ_for_every_eye(palette: str, floor: float, vision: str) -> None:
    colours = PALETTES[palette].classes
    assert len(colours) == 8
    assert nearest_pair(colours, vision) >= (25 if vision == "normal" else floor)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("vision", ["normal", "protanopia", "deuteranopia", "tritanopia"])
def test_lane_lines_stand_out_from_the_drivable_area(palette: str, vision: str) -> None:
    colours = PALETTES[palette]
    assert nearest_pair((colours.drivable, colours.lane), vision) >= 15


@pytest.mark.parametrize("palette", PALETTES)
def test_text_is_readable_on_every_colour(palette: str) -> None:
    for colour in PALETTES[palette].classes:
        assert contrast(colour, text_on(colour)) >= 4.5  # WCAG 2 AA for small text


@pytest.mark.parametrize("palette", PALETTES)
def test_a_class_keeps_its_colour(palette: str) -> None:
    colours = PALETTES[palette]
    assert class_colour("Car", colours) == class_colour(" car ", colours) == class_colour("car", colours)
    common = ["car", "truck", "bus", "person", "bicycle", "motorcycle", "traffic light", "train"]
    assert len({class_colour(name, colours) for name in common}) == 8
    # Names outside the table go by CRC-32 (0xbe2b3e2a here), so they do not change with the Python process.
    assert class_colour("giraffe", colours) == colours.classes[0xBE2B3E2A % 8]
    assert class_colour("\ud800 broken", colours) in colours.classes


MATRICES: list[ColourMatrix] = ["bt601", "bt709", "bt2020"]


@pytest.mark.parametrize("matrix", MATRICES)
def test_yuv_is_what_swscale_reads_back(matrix: ColourMatrix) -> None:
    for colour in {*PALETTES["okabe-ito"].classes, *PALETTES["bright"].classes, (0, 0, 0), (200, 30, 30)}:
        yuv = to_yuv(colour, matrix)
        planes = (np.full((16, 16), yuv.y, np.uint8), *(np.full((8, 8), value, np.uint8) for value in (yuv.u, yuv.v)))
        picture = Picture("yuv420p", planes, matrix, tagged=True)
        np.testing.assert_allclose(picture.bgr()[8, 8, ::-1], colour, atol=3)


def test_known_corners_of_the_formula() -> None:
    # Pure red in 8-bit limited range; white and black are the same in every matrix.
    assert to_yuv((255, 0, 0), "bt601") == Yuv(81, 90, 240)
    assert to_yuv((255, 0, 0), "bt709") == Yuv(63, 102, 240)
    for matrix in MATRICES:
        assert to_yuv((255, 255, 255), matrix) == Yuv(235, 128, 128)
        assert to_yuv((0, 0, 0), matrix) == Yuv(16, 128, 128)
