"""Each look changes colours as its name says, and nothing's place."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import pytest

from contracts.picture import Pixels
from tests.training.augment.painted import OFF, noisy
from training.augment.looks import Looks

PICTURE = noisy(192, 128, seed=3)
DRAWS = range(12)


def looked(picture: Pixels, draw: int = 0, **options: Any) -> Pixels:
    made = Looks(OFF.model_copy(update=options), picture.shape[0])(picture, np.random.default_rng(draw))
    assert made.shape == picture.shape
    assert made.dtype == np.uint8
    return made


def test_albumentations_is_not_let_look_for_newer_versions() -> None:
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


def test_without_chances_nothing_changes() -> None:
    np.testing.assert_array_equal(looked(PICTURE), PICTURE)


@pytest.mark.parametrize("kind", ["rain", "shadow", "night", "blur", "noise", "compression"])
def test_each_changes_the_picture_but_not_the_one_given(kind: str) -> None:
    before = PICTURE.copy()
    changed = [looked(PICTURE, draw, **{kind: 1.0}) for draw in DRAWS]
    assert sum(bool((made != PICTURE).any()) for made in changed) >= len(DRAWS) - 2  # shade may lie below the picture
    np.testing.assert_array_equal(before, PICTURE)


@pytest.mark.parametrize("kind", ["brightness", "contrast", "saturation", "hue"])
def test_colours_change_by_as_much_as_is_allowed(kind: str) -> None:
    for draw in DRAWS:
        small, large = (looked(PICTURE, draw, **{kind: reach}).astype(int) for reach in (0.05, 0.4))
        assert (large != PICTURE).any()
        assert np.abs(small - PICTURE).mean() < np.abs(large - PICTURE).mean()


def test_brightness_scales_and_contrast_keeps_the_mean() -> None:
    ratios = [looked(PICTURE // 2, draw, brightness=0.3).mean() / (PICTURE // 2).mean() for draw in range(40)]
    assert min(ratios) >= 0.69
    assert max(ratios) <= 1.31
    assert np.ptp(ratios) > 0.3
    grey = np.asarray(cv2.cvtColor(PICTURE // 2 + 60, cv2.COLOR_BGR2GRAY), np.uint8)
    pale: Pixels = np.asarray(cv2.merge((grey, grey, grey)), np.uint8)
    for draw in DRAWS:
        assert abs(looked(pale, draw, contrast=0.3).mean() - pale.mean()) < 1


def test_hue_and_saturation_leave_grey_and_brightness_alone() -> None:
    grey: Pixels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None].repeat(4, 0), 3, axis=2)
    dim = PICTURE // 3 + 80  # far from black and white, where nothing can be clipped
    for draw in DRAWS:
        assert np.abs(looked(grey, draw, hue=0.5, saturation=1.0).astype(int) - grey).max() <= 1
        turned = looked(dim, draw, hue=0.02, saturation=0.4)
        luma = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).astype(int) for each in (turned, dim)]
        assert np.abs(luma[0] - luma[1]).max() <= 2


def test_a_hue_turned_by_a_third_takes_red_to_green_or_blue() -> None:
    red: Pixels = np.full((8, 8, 3), (60, 60, 120), np.uint8)
    hues = {int(np.argmax(looked(red, draw, hue=0.5)[0, 0])) for draw in range(40)}
    assert hues == {0, 1, 2}


def test_night_is_dark_and_a_night_picture_stays_as_it_is() -> None:
    bright: Pixels = np.maximum(PICTURE, 100)
    for draw in DRAWS:
        night = looked(bright, draw, night=1.0)
        assert 3 < night.mean() < 60
        assert night[bright > 220].mean() > night[bright < 120].mean()
        dark: Pixels = PICTURE // 8
        assert looked(dark, draw, night=1.0).mean() == pytest.approx(dark.mean(), abs=5)


def test_shade_darkens_a_part_and_the_rest_stays() -> None:
    shares = []
    for draw in range(40):
        made = looked(PICTURE, draw, shadow=1.0)
        assert (made <= PICTURE).all()
        shares.append((made != PICTURE).any(2).mean())
    assert 0.1 < np.mean(shares) < 0.7


def test_rain_draws_bright_streaks_over_flatter_light() -> None:
    flat: Pixels = np.full((128, 192, 3), 90, np.uint8)
    for draw in DRAWS:
        made = looked(flat, draw, rain=1.0)[..., 0].astype(int)
        ground = np.median(made)
        assert 0.002 < (made > ground + 8).mean() < 0.4


def test_noise_has_the_deviation_it_should_and_no_bias() -> None:
    flat: Pixels = np.full((128, 192, 3), 128, np.uint8)
    for draw in DRAWS:
        made = looked(flat, draw, noise=1.0)
        assert 1.8 < made.std() < 12.5
        assert abs(made.mean() - 128) < 0.3


def test_colour_channels_are_not_exchanged_on_the_way() -> None:
    blue: Pixels = np.full((32, 32, 3), (200, 40, 40), np.uint8)
    for kind in ("blur", "compression", "noise", "shadow"):
        made = looked(blue, 0, **{kind: 1.0}).mean((0, 1))
        assert made[0] > made[2] + 50
