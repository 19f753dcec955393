"""Looks: what changes a picture's colours and nothing's place. The only file that imports albumentations."""

from __future__ import annotations

import os
import random
from typing import Any

import cv2
import numpy as np

from contracts.picture import Pixels
from training.augment.options import AugmentOptions

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it looks on the internet for a newer version otherwise

import albumentations as A  # noqa: N812


class Looks:
    """Changes pictures; each kind of change happens by its chance, all randomness comes from the generator given."""

    def __init__(self, options: AugmentOptions) -> None:
        around = [(1 - reach, 1 + reach) for reach in (options.brightness, options.contrast, options.saturation)]
        self._colour = A.ColorJitter(*around, hue=(-options.hue, options.hue), p=1)
        self._colours = any((options.brightness, options.contrast, options.saturation, options.hue))
        # In the order in which light reaches a file: what the scene is like, the lens, the sensor, the coding.
        self._chances: list[tuple[float, tuple[Any, ...]]] = [
            (options.shadow, (A.RandomShadow(num_shadows_limit=(1, 2), shadow_intensity_range=(0.3, 0.6), p=1),)),
            (options.rain, (A.RandomRain(rain_type="default", blur_value=3, brightness_coefficient=0.85, p=1),)),
            (options.night, (_Night(), A.GaussNoise(std_range=(0.01, 0.04), p=1))),
            (
                options.blur,
                (A.OneOf([A.MotionBlur((3, 7), p=1), A.GaussianBlur(0, sigma_limit=(0.4, 1.5), p=1)], p=1),),
            ),
            (options.noise, (A.GaussNoise(std_range=(0.01, 0.05), p=1),)),
            (options.compression, (A.ImageCompression(quality_range=(30, 80), p=1),)),
        ]

    def __call__(self, picture: Pixels, generator: np.random.Generator) -> Pixels:
        """uint8 (H, W, 3), BGR → the same; the picture given stays as it is."""
        chosen = [self._colour] if self._colours else []
        for chance, transforms in self._chances:
            if generator.random() < chance:
                chosen += transforms
        if not chosen:
            return picture
        pixels: Pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        for transform in chosen:
            transform.set_random_state(generator, random.Random(int(generator.integers(2**32))))  # noqa: S311
            pixels = transform(image=pixels)["image"]
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)


class _Night(A.ImageOnlyTransform):  # type: ignore[misc]
    """Dark, with a cast: bluish where the sky gives light, yellowish under lamps."""

    def __init__(self) -> None:
        super().__init__(p=1)

    def apply(self, img: Pixels, table: Pixels, **_: Any) -> Pixels:
        """uint8 (H, W, 3), RGB → the same."""
        return np.asarray(cv2.LUT(img, table), np.uint8)

    def get_params(self) -> dict[str, Any]:
        """table: uint8 (1, 256, 3), what each value of each channel becomes."""
        gain, gamma = self.py_random.uniform(0.2, 0.5), self.py_random.uniform(1.2, 2.0)
        warmth = self.py_random.uniform(-0.15, 0.15)
        cast = np.array([1 + warmth, 1.0, 1 - warmth])
        light = (np.arange(256) / 255) ** gamma
        return {"table": (255 * gain * light[None, :, None] * cast).clip(0, 255).round().astype(np.uint8)}
