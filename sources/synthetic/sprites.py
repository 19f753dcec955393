"""Sprites: trees and bushes grown from blobs of leaves."""

from __future__ import annotations

import cv2
import numpy as np

from contracts.picture import Pixels
from sources.synthetic.canvas import Sprite
from sources.synthetic.looks import Look

_SIZE = 224
"""Pixels of a sprite's side."""


def make_trees(rng: np.random.Generator, look: Look) -> tuple[list[Sprite], list[Sprite]]:
    """Trees and bushes, lit as the look wants."""
    trees = [_broadleaf(rng, look) for _ in range(4)] + [_conifer(rng, look) for _ in range(2)]
    return trees, [_bush(rng, look) for _ in range(2)]


def _lit(look: Look, leaf: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[int, int, int]:
    """A leaf's colour in this light."""
    b, g, r = np.clip(leaf * max(look.light, 0.2) * (0.86 + 0.22 * look.sun), 0, 255)
    return int(b), int(g), int(r)


def _blobs(
    rng: np.random.Generator, look: Look, layers: tuple[Pixels, Pixels],
    crown: tuple[float, float, float, float], leaf: tuple[int, int, int],
) -> None:  # fmt: skip
    """Fills an ellipse (x, y, rx, ry) with leaves: first the dark ones inside, bright ones last, up and to the left."""
    x, y, rx, ry = crown
    colour, alpha = layers
    count = 420
    angle, away = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    dx, dy = away * np.cos(angle), away * np.sin(angle)
    towards = -0.45 * dx - 0.75 * dy + rng.normal(0, 0.22, count)
    for n in np.argsort(towards + np.linspace(-0.6, 0.6, count)):
        tone = np.array(leaf) * (0.8 + 0.36 * towards[n] + rng.normal(0, 0.05))
        place, size = (round(x + rx * dx[n]), round(y + ry * dy[n])), int(rng.integers(4, 13) * (1.15 - 0.4 * away[n]))
        cv2.circle(colour, place, size, _lit(look, tone), -1, cv2.LINE_AA)
        cv2.circle(alpha, place, size, (255,), -1, cv2.LINE_AA)


def _broadleaf(rng: np.random.Generator, look: Look) -> Sprite:
    colour, alpha = np.zeros((_SIZE, _SIZE, 3), np.uint8), np.zeros((_SIZE, _SIZE), np.uint8)
    trunk = np.array([[108, 223], [116, 223], [114, 120], [109, 120]], np.int32)
    cv2.fillConvexPoly(colour, trunk, _lit(look, np.array([48.0, 66, 84])), cv2.LINE_AA)
    cv2.fillConvexPoly(alpha, trunk, (255,), cv2.LINE_AA)
    leaf = (int(rng.integers(36, 60)), int(rng.integers(98, 132)), int(rng.integers(70, 112)))
    for _ in range(3):
        _blobs(rng, look, (colour, alpha), (112 + rng.uniform(-24, 24), 84 + rng.uniform(-14, 18), 58, 56), leaf)
    return Sprite.from_picture(colour[:, 16:208], np.ascontiguousarray(alpha[:, 16:208]))


def _conifer(rng: np.random.Generator, look: Look) -> Sprite:
    colour, alpha = np.zeros((_SIZE, _SIZE, 3), np.uint8), np.zeros((_SIZE, _SIZE), np.uint8)
    cv2.rectangle(colour, (108, 190), (116, 223), _lit(look, np.array([44.0, 58, 74])), -1)
    cv2.rectangle(alpha, (108, 190), (116, 223), (255,), -1)
    for n in range(900):
        share = n / 900
        y = 204 - 192 * share
        half = 62 * (1 - share) ** 0.9 * (0.75 + 0.25 * np.cos(share * 44)) + 2
        x = 112 + rng.uniform(-half, half)
        tone = np.array([52, 88, 52]) * (0.95 - 0.4 * (x - 112) / 62 + rng.normal(0, 0.12))
        place = (round(x), round(y + 7 * abs(x - 112) / 40))
        cv2.ellipse(colour, place, (5, 3), 0, 0, 360, _lit(look, tone), -1, cv2.LINE_AA)
        cv2.ellipse(alpha, place, (5, 3), 0, 0, 360, (255,), -1, cv2.LINE_AA)
    return Sprite.from_picture(colour[:, 44:180], np.ascontiguousarray(alpha[:, 44:180]))


def _bush(rng: np.random.Generator, look: Look) -> Sprite:
    colour, alpha = np.zeros((112, _SIZE, 3), np.uint8), np.zeros((112, _SIZE), np.uint8)
    leaf = (int(rng.integers(40, 60)), int(rng.integers(92, 118)), int(rng.integers(74, 100)))
    for x in (60, 112, 160):
        _blobs(rng, look, (colour, alpha), (x, 70 + rng.uniform(-6, 6), 44, 38), leaf)
    return Sprite.from_picture(colour, alpha)
