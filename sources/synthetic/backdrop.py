"""Backdrop: sky, clouds, hills or skyline, painted once on a band that turns with the road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.synthetic.camera import Camera, Floats
from sources.synthetic.looks import Colour, Look
from sources.synthetic.texture import noise, octaves

_MOST_PIXELS = 1280 * 720
_LEVEL = 0.3
"""Share of the frame's height that the band reaches below the horizon and beyond the frame's upper edge."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A band of sky and horizon, periodic across; ``horizon`` is the horizon's row in it."""

    band: Pixels
    horizon: int

    def paint(self, picture: Pixels, camera: Camera, heading: float, horizon: float, until: int) -> None:
        """Fills the picture's rows above ``until`` for a camera that looks ``heading`` radians to the right."""
        width = self.band.shape[1]
        left = int(np.rint(heading * camera.focal)) % width
        rows = np.arange(until) - int(np.rint(horizon)) + self.horizon
        top, count = int(np.clip(rows[0], 0, len(self.band) - until)) if until else 0, until
        first = min(width - left, camera.width)
        picture[:count, :first] = self.band[top : top + count, left : left + first]
        picture[:count, first:] = self.band[top : top + count, : camera.width - first]


def make_backdrop(rng: np.random.Generator, look: Look, camera: Camera) -> Backdrop:
    """The band for a camera; for frames above ``_MOST_PIXELS`` painted smaller and enlarged, to bound memory."""
    scale = min(1.0, (_MOST_PIXELS / (camera.width * camera.height)) ** 0.5)
    if scale == 1.0:
        return _painted(rng, look, camera)
    small = _painted(
        rng, look, Camera.for_size(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    )
    height = round(len(small.band) / scale)
    band = cv2.resize(small.band, (3 * camera.width, height), interpolation=cv2.INTER_LINEAR)
    return Backdrop(np.asarray(band, np.uint8), round(small.horizon / scale))


def _painted(rng: np.random.Generator, look: Look, camera: Camera) -> Backdrop:
    """Paints the band: three frames wide, high enough for every pitch of the camera."""
    extra = int(_LEVEL * camera.height) + 2
    width, horizon = 3 * camera.width, int(camera.horizon) + extra
    height = camera.height + 2 * extra
    band = _sky(rng, look, camera, (height, width), horizon)
    if look.night:
        _stars(rng, band, horizon, camera)
    if look.skyline:
        _skyline(rng, look, band, horizon, camera)
    else:
        _ridges(rng, look, band, horizon, camera)
    return Backdrop(np.clip(band, 0, 255).astype(np.uint8), horizon)


def mix(a: Colour | Floats, b: Colour | Floats, share: Any) -> Floats:
    """``a`` and ``b`` mixed: share 0 is a, 1 is b; arrays of shares get a channel axis."""
    weight = np.asarray(share, np.float32)[..., None]
    return np.asarray(a, np.float32) * (1 - weight) + np.asarray(b, np.float32) * weight


def _sky(rng: np.random.Generator, look: Look, camera: Camera, size: tuple[int, int], horizon: int) -> NDArray[Any]:
    """Gradient, clouds that thin out upwards and flatten towards the horizon, a warm glow where the sun stands."""
    height, width = size
    above = np.clip((horizon - np.arange(height)) / (0.62 * camera.height), 0, 1).astype(np.float32) ** 0.6
    band = np.repeat(mix(look.horizon, look.zenith, above)[:, None], width, axis=1)
    if look.clouds:
        shape = octaves(rng, 512, width, (7, 15), 5)
        raised = np.clip((horizon - np.arange(height)) / camera.height, 0.004, None)
        shape = shape[np.clip((raised**0.55 * 560).astype(int), 0, 511)]
        cover = np.clip((shape + look.clouds * 0.9 - 0.36) * 1.9, 0, 1) * np.clip(above * 5, 0, 1)[:, None]
        bright = np.clip(look.light * 262 - 34 * shape - 46 * look.clouds * (1 - above[:, None]), 0, 255)
        tint = np.stack([bright, bright * 0.985, bright * 0.975], axis=-1) * (0.72 if look.wet else 1.0)
        band += (tint - band) * (cover * (0.55 if look.wet else 0.85))[..., None]
    if look.sun > 0.2:
        _glow(band, look, camera, horizon)
    return band


def _glow(band: NDArray[Any], look: Look, camera: Camera, horizon: int) -> None:
    """The sun, half a frame left of straight ahead and high, with its wide glow."""
    rows, columns = np.ogrid[: band.shape[0], : band.shape[1]]
    distance = np.hypot(columns - band.shape[1] * 0.86, rows - (horizon - 0.36 * camera.height)) / camera.height
    strength = 0.42 * np.exp(-distance * 3.4) * look.sun + 1.1 * np.clip(1.35 - distance / 0.03, 0, 1)
    band += (np.array([226, 246, 255], np.float32) - band) * np.clip(strength, 0, 1).astype(np.float32)[..., None]


def _stars(rng: np.random.Generator, band: NDArray[Any], horizon: int, camera: Camera) -> None:
    """A few hundred stars, the moon, and the city's glow above the horizon."""
    count = band.shape[1] * horizon // 4200
    rows, columns = rng.integers(0, horizon, count), rng.integers(0, band.shape[1], count)
    band[rows, columns] += (rng.uniform(20, 170, count) * np.clip((horizon - rows) / horizon * 1.6, 0, 1))[:, None]
    lift = np.exp(-np.abs(horizon - np.arange(band.shape[0])) / (0.09 * camera.height)).astype(np.float32)
    band += lift[:, None, None] * np.array([30, 44, 62], np.float32)
    centre = (int(band.shape[1] * 0.06), int(horizon - 0.3 * camera.height))
    cv2.circle(band, centre, max(2, camera.height // 42), (196, 222, 232), -1, cv2.LINE_AA)


def _ridges(rng: np.random.Generator, look: Look, band: NDArray[Any], horizon: int, camera: Camera) -> None:
    """Three chains of hills, the farthest palest; fields in front, down to the band's lower edge."""
    width = band.shape[1]
    rows = np.arange(band.shape[0], dtype=np.float32)[:, None]
    for layer, (lift, haze, cells) in enumerate(((0.085, 0.8, 9), (0.055, 0.66, 17), (0.026, 0.5, 34))):
        line = noise(rng, 1, width, (1, cells))[0] * 0.5 + noise(rng, 1, width, (1, cells * 4))[0] * 0.13
        line += noise(rng, 1, width, (1, width // 7))[0] * 0.035 * layer
        ridge = (horizon - (0.55 + 0.6 * line) * lift * camera.height).astype(np.float32)
        base = mix(mix(look.grass, (96, 84, 60), 0.5 - 0.2 * layer), look.horizon, haze if not look.wet else 0.86)
        shade = np.clip((rows - ridge) / (0.09 * camera.height), 0, 1)
        edge = np.clip(rows - ridge + 0.5, 0, 1)[..., None]
        band += (mix(base, look.horizon, 0.35 * shade) - band) * edge
    below = np.clip((rows - horizon) / 2.0 + 0.5, 0, 1)[..., None]
    band += (mix(look.grass, look.horizon, 0.62) - band) * below


def _skyline(rng: np.random.Generator, look: Look, band: NDArray[Any], horizon: int, camera: Camera) -> None:
    """Two rows of towers; at night their windows are lit."""
    width, unit = band.shape[1], camera.height / 720
    for depth, haze in ((1.25, 0.8), (0.8, 0.62)):
        x = 0.0
        while x < width:
            wide, rise = rng.uniform(16, 58) * unit, rng.uniform(14, 62) * depth * unit * rng.uniform(0.5, 1.6)
            tone = (
                mix((118, 104, 92), look.horizon, haze)[()] if not look.night else np.array([30, 22, 18.0]) * (2 - haze)
            )
            left, right, top = round(x), round(x + wide), round(horizon - rise)
            band[top:, left:right] = tone * rng.uniform(0.93, 1.05)
            if look.night:
                _windows(rng, band[top : horizon - 2, left:right], unit)
            x += wide * rng.uniform(0.75, 1.6)
    ground = mix((70, 74, 72), look.horizon, 0.6) if not look.night else np.array([24, 20, 17.0])
    band[horizon:] = ground


def _windows(rng: np.random.Generator, tower: NDArray[Any], unit: float) -> None:
    """Lights some windows of a tower."""
    pitch = max(3, round(4.2 * unit))
    grid = tower[2:-1:pitch, 2:-2:pitch]
    lit = rng.random(grid.shape[:2]) < 0.22
    grid[lit] = np.array([92, 168, 214]) * rng.uniform(0.35, 1.0, (int(lit.sum()), 1))
