"""Colours of a class map: the card's, or a fixed series in which neighbours differ."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

Bgr = tuple[int, int, int]

_GOLDEN = 0.6180339887498949
"""1 / golden ratio: steps of this size around the colour circle never come close to an earlier one."""
_VALUES = (0.95, 0.75, 0.55)
"""Brightness in turn, so that classes differ for people who do not see hues, too."""


def palette_of(colours: Sequence[str], count: int) -> tuple[Bgr, ...]:
    """BGR colours, 0 … 255: those given as #rrggbb, else ``count`` of our own, the same in every run."""
    if colours:
        return tuple(_from_hex(colour) for colour in colours)
    return tuple(_own(index) for index in range(count))


def _from_hex(colour: str) -> Bgr:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def _own(index: int) -> Bgr:
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.7, _VALUES[index % len(_VALUES)])
    return round(blue * 255), round(green * 255), round(red * 255)
