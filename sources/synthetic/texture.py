"""Textures: periodic noise, and the grain of the ground with coarser and coarser copies for the distance."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sources.synthetic.camera import Floats
from sources.synthetic.layout import Layout

Grey = NDArray[np.uint8]

HALF_WIDTH = 32.0
"""Metres covered to either side of the centre line; beyond, the texture is mirrored."""
ACROSS, ALONG = 0.025, 0.05
"""Metres per texel."""
PERIOD = 1024
"""Texels along the road after which the grain repeats (51.2 m)."""
LEVELS = 7
"""Level k is blurred as if a texel were 2^k · ALONG metres long."""
_MARGIN = 2
"""Rows repeated below each level, so that interpolation never reaches into the next one."""


def noise(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> Floats:
    """Smooth noise (height, width) float32, about ±1, periodic both ways, with cells = (down, across) bumps."""
    grid = rng.uniform(-1, 1, cells).astype(np.float32)
    down, across = -(-height // cells[0]), -(-width // cells[1])
    padded = np.pad(grid, 2, mode="wrap")
    size = (padded.shape[1] * across, padded.shape[0] * down)
    grown = cv2.resize(padded, size, interpolation=cv2.INTER_CUBIC)
    inner = grown[2 * down : 2 * down + cells[0] * down, 2 * across : 2 * across + cells[1] * across]
    return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def octaves(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int], count: int) -> Floats:
    """Noise upon finer noise of half the strength, ``count`` times; about ±1."""
    total: NDArray[Any] = np.zeros((height, width), np.float32)
    for n in range(count):
        total += noise(rng, height, width, (min(cells[0] << n, height), min(cells[1] << n, width))) * 0.5**n
    return total / (2 - 0.5 ** (count - 1))


def ground_grain(rng: np.random.Generator, layout: Layout) -> Grey:
    """Brightness of the ground, 128 = unchanged: LEVELS tiles of (PERIOD + margin, width) above one another."""
    width = int(2 * HALF_WIDTH / ACROSS)
    side = (np.arange(width) + 0.5) * ACROSS - HALF_WIDTH
    hard = np.zeros(width, bool)
    for strip in layout.strips:
        hard |= (side >= strip.left) & (side < strip.right)
    soft = 26 * octaves(rng, PERIOD, width, (24, 32), 5) + rng.normal(0, 9, (PERIOD, width))
    tile = np.where(hard, _asphalt(rng, width) + _tracks(layout, side), soft).astype(np.float32) + 128
    return np.concatenate([_level(tile, k) for k in range(LEVELS)])


def _asphalt(rng: np.random.Generator, width: int) -> Floats:
    """Stones (drawn out by the speed), mottling, mended patches and cracks."""
    stones = cv2.blur(rng.normal(0, 16, (PERIOD, width)).astype(np.float32), (1, 5), borderType=cv2.BORDER_REFLECT)
    surface = np.asarray(stones + 7 * octaves(rng, PERIOD, width, (8, 16), 4), np.float32)
    for _ in range(9):
        x, y = int(rng.integers(width)), int(rng.integers(PERIOD - 200))
        surface[y : y + int(rng.integers(40, 200)), x : x + int(rng.integers(30, 110))] -= rng.uniform(5, 11)
    for _ in range(16):
        start = np.array([rng.integers(width), rng.integers(PERIOD)])
        walk = start + np.cumsum(rng.integers(-4, 5, (24, 2)) + np.array([0, rng.integers(-9, 10)]), axis=0)
        cv2.polylines(surface, [walk.astype(np.int32)], False, (-24.0,), 1)
    return surface


def _tracks(layout: Layout, side: Floats) -> Floats:
    """Darker where tyres run and where oil drips, per column."""
    tone = np.zeros_like(side)
    for stream in layout.streams:
        if abs(stream.speed) > 6:
            for offset, strength, spread in ((-0.82, -7, 0.24), (0.82, -7, 0.24), (0.0, -4, 0.3)):
                tone += strength * np.exp(-(((side - stream.side - offset) / spread) ** 2))
    return tone


def _level(tile: NDArray[np.float32], k: int) -> Grey:
    """The tile blurred for level ``k``, with its first rows repeated below."""
    reach = 3 << k
    wrapped = np.pad(tile, ((reach, reach), (0, 0)), mode="wrap")
    along = max(1, (1 << k) | 1)
    blurred = cv2.blur(wrapped, (max(1, 1 << (k // 2)), along)) if k else wrapped
    middle = blurred[reach : reach + PERIOD]
    return np.asarray(np.clip(np.concatenate([middle, middle[:_MARGIN]]), 0, 255), np.uint8)


def grain_rows(distance: Floats, start: float) -> Floats:
    """Row in ``ground_grain`` for each picture row, given the distances (m) it shows and the camera's own place."""
    step = np.abs(np.gradient(distance)) if len(distance) > 1 else np.ones_like(distance)
    level = np.clip(np.floor(np.log2(np.maximum(step, 1e-6) / ALONG) + 0.5), 0, LEVELS - 1)
    return np.asarray(np.mod((distance + start) / ALONG, PERIOD) + level * (PERIOD + _MARGIN))
