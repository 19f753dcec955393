"""Looks: what changes a picture's colours and nothing's place. The only file that imports albumentations."""

from __future__ import annotations

import os
import random
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from training.augment.options import AugmentOptions

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it looks on the internet for a newer version otherwise

import albumentations as A  # noqa: N812

_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in brightness, ITU-R BT.601."""
_NIGHT = 40
"""Mean value of 255; pictures below it were taken at night."""
_Transforms = tuple[Any, ...]
"""Of albumentations, one after the other; each happens for certain once it is its turn."""


class Looks:
    """Changes pictures; each kind of change happens by its chance, all randomness comes from the generator given."""

    def __init__(self, options: AugmentOptions, height: int) -> None:
        """height: of the pictures to come, in pixels; rain is drawn in proportion to it."""
        # In the order in which light reaches a file: what the scene is like, the lens, the sensor, the coding.
        self._chances: tuple[tuple[float, _Transforms], ...] = (
            (1.0, (_Colour(options),)),
            (options.shadow, (_Shadow(p=1),)),
            (options.rain, _rain(height)),
            (options.night, (_Night(p=1), _Noise((2.0, 8.0)))),
            (options.blur, (A.OneOf([A.MotionBlur((3, 7), p=1), A.GaussianBlur(0, (0.4, 1.5), p=1)], p=1),)),
            (options.noise, (_Noise((2.0, 12.0)),)),
            (options.compression, (A.ImageCompression(quality_range=(30, 80), p=1),)),
        )

    def __call__(self, picture: Pixels, generator: np.random.Generator) -> Pixels:
        """uint8 (H, W, 3), BGR → the same; the picture given stays as it is."""
        happens = generator.random(len(self._chances)) < [chance for chance, _ in self._chances]
        chosen = [
            each for (_, transforms), yes in zip(self._chances, happens, strict=True) if yes for each in transforms
        ]
        pixels: Pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        for transform in chosen:
            transform.set_random_state(generator, random.Random(int(generator.integers(2**32))))  # noqa: S311
            pixels = transform(image=pixels)["image"]
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)


def _rain(height: int) -> _Transforms:
    """Flat grey light, and streaks: many thin ones or few thick ones."""
    light = A.RandomBrightnessContrast(brightness_limit=(0.0, 0.1), contrast_limit=(-0.4, -0.1), p=1)
    streaks = [
        A.RandomRain((-6, 6), max(height // share, 1), 1, (grey,) * 3, blur, 0.9, kind, p=1)
        for share, grey, blur, kind in ((20, 50, 1, "torrential"), (14, 60, 1, "heavy"), (8, 130, 3, "default"))
    ]
    return (light, A.OneOf(streaks, p=1))


class _Colour(A.ImageOnlyTransform):  # type: ignore[misc]
    """Hue, saturation, contrast and brightness in one matrix (P. Haeberli, "Matrix operations for image processing").

    ColorJitter does the four one after the other: it takes ten times as long and rounds and clips four times.
    """

    def __init__(self, options: AugmentOptions) -> None:
        super().__init__(p=1)
        self._options = options

    def apply(self, img: Pixels, matrix: NDArray[np.float64], **_: Any) -> Pixels:
        """uint8 (H, W, 3), RGB → the same. matrix: (3, 4), for (red, green, blue, 1)."""
        return np.asarray(cv2.transform(img, matrix), np.uint8)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Hue turns around the grey axis, saturation is the distance from it, contrast that from the mean grey."""
        options = self._options
        turn = 2 * np.pi * self.py_random.uniform(-options.hue, options.hue)
        saturation, contrast, brightness = (
            1 + self.py_random.uniform(-reach, reach)
            for reach in (options.saturation, options.contrast, options.brightness)
        )
        mean = _LUMA @ cv2.mean(data["image"])[:3]
        grey = np.tile(_LUMA, (3, 1))
        colour = grey + saturation * (_hue(turn) - grey)
        offset = np.full((3, 1), (1 - contrast) * mean)
        return {"matrix": brightness * np.hstack([contrast * colour, offset])}


def _hue(turn: float) -> NDArray[np.float64]:
    """(3, 3): colours turned by so many radians around the grey axis, then moved along it to the luma they had."""
    along = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turned = along + np.cos(turn) * (np.eye(3) - along) + np.sin(turn) * across
    return np.asarray(turned + np.ones((3, 1)) @ (_LUMA - _LUMA @ turned)[None], np.float64)


class _Noise(A.ImageOnlyTransform):  # type: ignore[misc]
    """Gaussian, in every channel. GaussNoise draws it in float64, which takes four times as long."""

    def __init__(self, deviations: tuple[float, float]) -> None:
        super().__init__(p=1)
        self._deviations = deviations

    def apply(self, img: Pixels, deviation: float, seed: int, **_: Any) -> Pixels:
        """uint8 (H, W, 3) → the same. deviation: in levels of 255."""
        noise = np.empty(img.shape, np.float32)
        cv2.setRNGSeed(seed)
        cv2.randn(noise, np.zeros(3), np.full(3, deviation))
        return np.asarray(cv2.add(img, noise, dtype=cv2.CV_8U), np.uint8)

    def get_params(self) -> dict[str, Any]:
        """Random deviation and seed."""
        return {"deviation": self.py_random.uniform(*self._deviations), "seed": self.py_random.getrandbits(31)}


class _Shadow(A.ImageOnlyTransform):  # type: ignore[misc]
    """A band of shade across the road, as of a house, a bridge or a tree.

    RandomShadow paints triangles or polygons that cross themselves; no road has such shadows.
    """

    def apply(self, img: Pixels, corners: NDArray[np.int32], light: int, softness: int, **_: Any) -> Pixels:
        """uint8 (H, W, 3) → the same. corners: (4, 2). light: of 255, what is left. softness: pixels of the edge."""
        shade = np.full(img.shape[:2], 255, np.uint8)
        cv2.fillConvexPoly(shade, corners, (light,))
        cv2.blur(shade, (softness, softness), dst=shade)
        return np.asarray(cv2.multiply(img, cv2.merge((shade, shade, shade)), scale=1 / 255), np.uint8)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Of a picture of this shape."""
        height, width = params["shape"][:2]
        chosen = self.py_random.uniform
        centre = (chosen(0, width), chosen(0.55, 1) * height)
        band = (centre, (4 * width, chosen(0.1, 0.5) * height), chosen(-20, 20))
        corners = cv2.boxPoints(band).round().astype(np.int32)
        softness = 1 + round(chosen(0, 0.03) * height)
        return {"corners": corners, "light": round(255 * chosen(0.35, 0.75)), "softness": softness}


class _Night(A.ImageOnlyTransform):  # type: ignore[misc]
    """Dark, with a cast: bluish where the sky gives light, yellowish under lamps. Lamps stay brighter than the rest."""

    def apply(self, img: Pixels, table: Pixels, **_: Any) -> Pixels:
        """uint8 (H, W, 3), RGB → the same. table: uint8 (1, 256, 3), what each value of each channel becomes."""
        return np.asarray(cv2.LUT(img, table), np.uint8)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """A picture as dark as one taken at night keeps its light: darkened again, nothing would be left to see."""
        values = data["image"][::8, ::8]
        warmth = self.py_random.uniform(-0.2, 0.2)
        curve = (np.arange(256) / 255) ** self.py_random.uniform(1.3, 2.2)
        light = self.py_random.uniform(0.04, 0.14) / max(float(curve[values].mean()), 1e-3)
        curve *= min(light, 0.5)  # no sky is bright at night
        if values.mean() < _NIGHT:
            curve = np.arange(256) / 255
        cast = np.array([1 + warmth, 1.0, 1 - warmth])
        return {"table": (255 * curve[None, :, None] * cast).clip(0, 255).round().astype(np.uint8)}
