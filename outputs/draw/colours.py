"""Colours: palettes safe for colour-blind people, one colour per class name, and colours as limited-range YUV."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from contracts.picture import LUMA_WEIGHTS, ColourMatrix

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Yuv:
    """One colour as limited-range 8-bit luma and chroma (Y 16 … 235, U and V 16 … 240)."""

    y: int
    u: int
    v: int


@dataclass(frozen=True, slots=True)
class Palette:
    """Eight colours for classes, and the two that areas of the road have to themselves."""

    classes: tuple[Rgb, ...]
    drivable: Rgb
    lane: Rgb


# Okabe and Ito, "Color Universal Design" (2008): distinct in all common forms of colour blindness. Their black is
# white here: black lines vanish on a road at night.
_ORANGE, _SKY, _GREEN, _YELLOW = (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)
_BLUE, _VERMILION, _PURPLE, _WHITE = (0, 114, 178), (213, 94, 0), (204, 121, 167), (255, 255, 255)

PALETTES: Mapping[str, Palette] = {
    "okabe-ito": Palette(
        classes=(_SKY, _ORANGE, _YELLOW, _VERMILION, _PURPLE, _BLUE, _WHITE, _GREEN), drivable=_GREEN, lane=_PURPLE
    ),
    # Saturated, for bright screens and dark scenes; lightness varies as much as hue, so that it carries too.
    "bright": Palette(
        classes=(
            (0, 229, 255),
            (255, 145, 0),
            (255, 241, 0),
            (255, 40, 60),
            (224, 130, 255),
            (40, 90, 255),
            (255, 255, 255),
            (0, 200, 83),
        ),
        drivable=(0, 230, 118),
        lane=(255, 23, 200),
    ),
}

# What roads are full of has fixed places, so that the classes seen together differ; other names find theirs by hash.
_PLACES: Mapping[str, int] = {
    "car": 0,
    "truck": 1,
    "bus": 2,
    "person": 3,
    "pedestrian": 3,
    "bicycle": 4,
    "bike": 4,
    "rider": 6,
    "motorcycle": 5,
    "motor": 5,
    "motorbike": 5,
    "train": 7,
    "traffic light": 6,
    "traffic sign": 6,
    "stop sign": 6,
}


@lru_cache(maxsize=1024)
def class_colour(name: str, palette: Palette) -> Rgb:
    """The colour of a class: the same name has the same colour in every head, run and network."""
    key = name.strip().lower()
    place = _PLACES.get(key)
    if place is None:
        place = zlib.crc32(key.encode("utf-8", "replace"))
    return palette.classes[place % len(palette.classes)]


@lru_cache(maxsize=1024)
def to_yuv(colour: Rgb, matrix: ColourMatrix) -> Yuv:
    """An RGB colour in limited-range YUV: Y = 16 + 219 y, U = 128 + 112 (b − y) / (1 − Kb), V likewise with red."""
    of_red, of_blue = LUMA_WEIGHTS[matrix]
    red, green, blue = (channel / 255 for channel in colour)
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    return Yuv(
        y=round(16 + 219 * luma),
        u=round(128 + 112 * (blue - luma) / (1 - of_blue)),
        v=round(128 + 112 * (red - luma) / (1 - of_red)),
    )


def _linear(channel: int) -> float:
    value = channel / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def luminance(colour: Rgb) -> float:
    """Relative luminance, 0 … 1 (WCAG 2, from linearised sRGB)."""
    red, green, blue = (_linear(channel) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio of two colours, 1 … 21 (WCAG 2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(background: Rgb) -> Rgb:
    """Black or white, whichever is easier to read on ``background``."""
    return max((0, 0, 0), (255, 255, 255), key=lambda ink: contrast(ink, background))
