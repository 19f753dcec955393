"""Widths of cracks that are known: seen aslant, through noise and holes, at corners; and what is thin."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from pipeline.widths import ThinMask
from tests.support.sized import WALL, Pixels, before, instances, sizes, united
from tests.support.space import BESIDE, Crack, Piece, frame, turned

TILTS = ((0, 0), (30, 0), (-30, 0), (0, 30), (0, -30), (21, -21))


def a_crack(seed: int, length: float, width: float) -> Crack:
    """At any angle; every second one wanders as cracks do."""
    random = np.random.default_rng(seed)
    x = np.linspace(-length / 2, length / 2, 9 if seed % 2 else 2)
    y = random.normal(0, length / 50, len(x)) if seed % 2 else np.zeros(2)
    angle = random.uniform(0, math.pi)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Crack(np.column_stack([x, y]) @ turn + random.uniform(-0.02, 0.02, 2), width)


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize(("millimetres", "distance"), [(2, 0.5), (2, 0.9), (5, 1.4), (8, 2), (12, 1), (20, 2)])
def test_a_crack_is_as_wide_and_long_as_it_is(millimetres: float, distance: float, tilt: tuple[float, float]) -> None:
    """From 2.2 pixels on; noise of 3 mm, a tenth of the depth missing."""
    camera, off = before(distance, *tilt), []
    for seed in range(4):
        crack = a_crack(seed, 0.35 * distance, millimetres / 1000)
        depth = BESIDE.seen([WALL], camera, noise=0.003, holes=0.1, seed=seed)
        found = sizes(instances(crack.mask(WALL, camera)), frame(depth, camera))
        told = np.array([found.widths[0], found.mean_widths[0], found.lengths[0]])
        off.append(told / (millimetres, millimetres, crack.length * 1000) - 1)
        assert found.max_widths[0] >= found.widths[0]
    assert np.median(np.abs(off), axis=0).max() < 0.03
    assert np.abs(off).max() < 0.1
    assert np.abs(off)[:, 2].max() < 0.02


@pytest.mark.parametrize("pixels", [2, 2.5, 3, 4, 5, 6.5, 8, 10])
def test_no_part_of_a_pixel_is_left_over_at_the_edges(pixels: float) -> None:
    """Lines at many angles, seen straight on, depth exact: their mean is off by a twentieth of a pixel at most."""
    camera = before(1.01)  # a pixel is a millimetre
    seen, off = frame(BESIDE.seen([WALL], camera), camera), []
    for degrees in range(3, 180, 14):
        crack = Crack.straight(0.25, pixels / 1000, degrees)
        off.append(float(sizes(instances(crack.mask(WALL, camera)), seen).mean_widths[0]) - pixels)
    assert abs(np.mean(off)) < 0.05


def test_what_is_along_a_row_of_pixels_is_rounded_to_it() -> None:
    """The limit of a mask of whole pixels: 2.5 of them are 2 or 3."""
    camera = before(1.01)
    crack = Crack.straight(0.25, 0.0025, 0)
    found = sizes(instances(crack.mask(WALL, camera)), frame(BESIDE.seen([WALL], camera), camera))
    assert float(found.widths[0]) in (pytest.approx(2, abs=0.02), pytest.approx(3, abs=0.02))


@pytest.mark.parametrize("degrees", [20, 45, 70, 110, 135])
@pytest.mark.parametrize("tilt", [(45, 0), (0, -45)])
def test_across_is_at_right_angles_on_the_surface(degrees: float, tilt: tuple[float, float]) -> None:
    """A stripe of 30 mm on a wall at 45°: at right angles in the picture it would be up to a tenth wider."""
    camera = before(1.0, *tilt)
    stripe = Crack.straight(0.4, 0.03, degrees)
    found = sizes(instances(stripe.mask(WALL, camera)), frame(BESIDE.seen([WALL], camera), camera))
    assert found.widths[0] == pytest.approx(30, rel=0.01)
    assert found.mean_widths[0] == pytest.approx(30, rel=0.01)
    assert found.max_widths[0] == pytest.approx(30, rel=0.05)


def test_median_mean_and_largest_width_are_told_apart() -> None:
    """Three quarters are 4 mm wide, one is 12 mm."""
    camera = before(0.8, 15, 10)
    thin = Crack(np.array([[-0.15, 0.01], [0.09, -0.02]]), 0.004)
    wide = Crack(np.array([[0.09, -0.02], [0.16, -0.03]]), 0.012)
    mask = united(thin.mask(WALL, camera), wide.mask(WALL, camera))
    found = sizes(instances(mask), frame(BESIDE.seen([WALL], camera, noise=0.003), camera))
    assert found.widths[0] == pytest.approx(4, rel=0.05)
    assert found.mean_widths[0] == pytest.approx(6, rel=0.1)
    assert found.max_widths[0] == pytest.approx(12, rel=0.05)


def test_a_branch_is_measured_and_the_fork_is_not() -> None:
    camera = before(1.0, -20, 5)
    forks = [Crack(np.array([[0, 0], end]), 0.006) for end in ([-0.15, 0.02], [0.1, 0.1], [0.12, -0.06])]
    found = sizes(
        instances(united(*(one.mask(WALL, camera) for one in forks))),
        frame(BESIDE.seen([WALL], camera, noise=0.003), camera),
    )
    assert found.widths[0] == pytest.approx(6, rel=0.03)
    assert found.max_widths[0] == pytest.approx(6, rel=0.2)
    assert found.lengths[0] == pytest.approx(1000 * sum(one.length - 0.003 for one in forks), rel=0.02)


def test_around_the_corner_of_a_room_each_wall_is_a_wall() -> None:
    corner = turned(yaw=45), turned(yaw=-45)
    halves = []
    for pose, side in zip(corner, (1, -1), strict=True):
        middle = pose[:3, 0] * side * 0.5  # of a wall of a metre that begins where they meet
        wall = pose.copy()
        wall[:3, 3] = middle
        halves.append(Piece(wall, (1.0, 2.0)))
    camera = before(1.2)
    left, right = sorted(halves, key=lambda piece: piece.pose[0, 3])
    cracks = [
        (piece, Crack(np.array([[side * 0.5, 0.0], [side * 0.5 - side * 0.25, 0.06 * side]]), 0.008))
        for piece, side in ((left, 1), (right, -1))
    ]
    mask = united(*(crack.mask(piece, camera) for piece, crack in cracks))
    found = sizes(instances(mask), frame(BESIDE.seen(halves, camera, noise=0.003, holes=0.1), camera))
    assert found.widths[0] == pytest.approx(8, rel=0.05)
    assert found.lengths[0] == pytest.approx(1000 * sum(crack.length - 0.004 for _, crack in cracks), rel=0.03)


def test_a_pipe_before_the_wall_is_not_the_wall() -> None:
    """It hides a part of the crack's surroundings, 25 cm in front."""
    camera = before(1.0, 20)
    pipe = Piece(turned(roll=30, at=(0.0, 0.1, -0.25)), (1.5, 0.03))
    crack = Crack.straight(0.3, 0.006, 10)
    depth = BESIDE.seen([WALL, pipe], camera, noise=0.003)
    assert sizes(instances(crack.mask(WALL, camera)), frame(depth, camera)).widths[0] == pytest.approx(6, rel=0.05)


def drawn(*strokes: tuple[tuple[int, int], tuple[int, int], int]) -> Pixels:
    mask = np.zeros((300, 300), np.uint8)
    for start, end, width in strokes:
        cv2.line(mask, start, end, 1, width)
    return mask


MAN = (
    *(((150, 60), (150, 160), 46), ((150, 40), (150, 40), 40)),
    *(((140, 170), (120, 280), 24), ((160, 170), (185, 280), 24)),
    *(((140, 90), (100, 160), 16), ((160, 90), (195, 165), 16)),
)


@pytest.mark.parametrize(
    ("mask", "thin"),
    [
        (drawn(((20, 20), (280, 240), 3)), True),
        (drawn(((20, 20), (150, 240), 5), ((150, 240), (280, 30), 9), ((150, 240), (160, 290), 3)), True),
        (np.asarray(cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 120, 1, 7), np.uint8), True),
        (drawn(((150, 10), (150, 290), 30)), True),
        (drawn(((20, 150), (60, 150), 3)), True),
        (drawn(*MAN), False),
        (np.asarray(cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 60, 1, -1), np.uint8), False),
        (drawn(((20, 150), (280, 150), 100)), False),
        (np.ones((40, 40), np.uint8), False),
        (np.ones((1, 1), np.uint8), False),
        (np.zeros((20, 20), np.uint8), False),
    ],
)
def test_what_is_six_times_as_long_as_wide_is_thin(mask: Pixels, thin: bool) -> None:
    assert (ThinMask.of(mask, (0, 0)) is not None) is thin
