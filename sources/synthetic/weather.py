"""Weather: falling rain, the wet road's mirror, and drops on the windscreen."""

from __future__ import annotations

import cv2
import numpy as np

from contracts.picture import Pixels
from sources.synthetic.camera import Camera
from sources.synthetic.canvas import GROUND, Canvas, pixels_of

_DROPS = 30
_DROP_LIFE = 75
"""Frames a drop stays on the windscreen."""
_MIRROR = 0.3
"""Share of the picture above the horizon that a wet road gives back."""


class Rain:
    """Rain of one drive. What it does to the picture is seen through: it changes no truth."""

    def __init__(self, rng: np.random.Generator, camera: Camera) -> None:
        self._camera = camera
        self._streaks = _streaks(rng, camera)
        self._offsets = rng.integers(0, 1 << 30, (1024, 2))
        self._drops = rng.random((_DROPS * 64, 4))
        self._lens = _lens()
        self._lenses: dict[int, tuple[Pixels, Pixels, Pixels]] = {}

    def mirror(self, canvas: Canvas, horizon: float) -> None:
        """Gives the ground a dim, smeared image of what stands above the horizon."""
        middle = int(np.clip(horizon, 2, self._camera.height - 2))
        below = self._camera.height - middle
        source = canvas.picture[max(middle - below, 0) : middle][::-1]
        small = cv2.resize(source, (self._camera.width // 4, max(below // 8, 1)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(cv2.blur(small, (3, 5)), (self._camera.width, below), interpolation=cv2.INTER_LINEAR)
        ground = canvas.picture[middle:]
        mixed = cv2.addWeighted(ground, 1 - _MIRROR, image, _MIRROR, -6)
        cv2.copyTo(mixed, pixels_of(canvas.ids[middle:], GROUND), ground)

    def fall(self, picture: Pixels, index: int) -> None:
        """Adds this frame's streaks."""
        height, width = picture.shape[:2]
        y, x = (int(n) for n in self._offsets[index % len(self._offsets)])
        rows, columns = self._streaks.shape[0] - height, self._streaks.shape[1] - width
        cv2.add(picture, self._streaks[y % rows :, x % columns :][:height, :width], dst=picture)

    def drops(self, picture: Pixels, index: int) -> None:
        """Paints the drops on the windscreen: each shows the scene behind it upside down."""
        height, width = picture.shape[:2]
        for n in range(_DROPS):
            life, age = divmod(index + n * _DROP_LIFE // _DROPS * 7, _DROP_LIFE)
            x, y, size, slide = self._drops[(life * _DROPS + n) % len(self._drops)]
            radius = max(2, round((0.004 + 0.011 * size**2) * height * min(1.0, 0.5 + age / 12)))
            column = round(x * (width - 2 * radius))
            row = round(y * 0.9 * height + (age / _DROP_LIFE) ** 2 * slide * 0.1 * height)
            if row + 2 * radius < height and column >= 0:
                self._drop(picture[row : row + 2 * radius, column : column + 2 * radius], radius)

    def _drop(self, patch: Pixels, radius: int) -> None:
        """One drop over a square patch."""
        if radius not in self._lenses:
            size = (2 * radius, 2 * radius)
            alpha, shine = (
                np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.uint8) for layer in self._lens
            )
            self._lenses[radius] = (alpha, np.asarray(cv2.bitwise_not(alpha), np.uint8), shine)
        alpha, rest, shine = self._lenses[radius]
        through = cv2.multiply(patch[::-1, ::-1], alpha, scale=1 / 255)
        cv2.multiply(patch, rest, dst=patch, scale=1 / 255)
        cv2.add(patch, through, dst=patch)
        cv2.add(patch, shine, dst=patch)


def _streaks(rng: np.random.Generator, camera: Camera) -> Pixels:
    """Slanting bright lines on black, larger than the frame so that a random window differs each time."""
    height, width = camera.height + 97, camera.width + 131
    image = np.zeros((height, width, 3), np.uint8)
    unit = camera.height / 720
    for _ in range(620):
        x, y = rng.uniform(0, width), rng.uniform(-30, height)
        length, tone = rng.uniform(10, 46) * unit, int(rng.integers(14, 46))
        end = (round(x + 0.12 * length), round(y + length))
        cv2.line(image, (round(x), round(y)), end, (tone, tone, tone), 1, cv2.LINE_AA)
    return cv2.blur(image, (2, 3))  # type: ignore[return-value]


def _lens() -> tuple[Pixels, Pixels]:
    """A drop's alpha and the light it catches, each (64, 64, 3)."""
    along = (np.arange(64) + 0.5) / 32 - 1
    x, y = np.meshgrid(along, along)
    away = np.hypot(x, y)
    alpha = np.clip((0.96 - away) * 9, 0, 1) * (0.5 + 0.4 * away)
    shine = 46 * np.clip((0.96 - away) * 6, 0, 1) * np.clip(y * away, 0, 1) + 90 * np.exp(
        -((x + 0.35) ** 2 + (y + 0.4) ** 2) / 0.025
    )
    return tuple(
        np.repeat(np.rint(np.clip(layer, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)
        for layer in (alpha * 255, shine)
    )  # type: ignore[return-value]
