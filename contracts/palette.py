"""Colours of a class map: the card's, those people know for a class set, or a fixed series of our own."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from contracts.class_sets import CITYSCAPES, ETRI

Bgr = tuple[int, int, int]

_GOLDEN = 0.6180339887498949
"""1 / golden ratio: steps of this size around the colour circle never come close to an earlier one."""
_VALUES = (0.95, 0.75, 0.55)
"""Brightness in turn, so that classes differ for people who do not see hues, too."""


def palette_of(colours: Sequence[str], classes: Sequence[str]) -> tuple[Bgr, ...]:
    """BGR colours, 0 … 255, one per class and the same in every run.

    Those given as #rrggbb. Else, where the names hold all of Cityscapes' or of ETRI's classes, in whatever order and
    spelling of capitals and spaces, the colours of that set; names beyond it, and other sets, have our own series.
    """
    if colours:
        return tuple(_from_hex(colour) for colour in colours)
    names = [name.strip().lower().replace("_", " ") for name in classes]
    known = next((colours for colours in (CITYSCAPES, ETRI) if colours.keys() <= set(names)), {})
    return tuple(_from_hex(known[name]) if name in known else _own(index) for index, name in enumerate(names))


def _from_hex(colour: str) -> Bgr:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def _own(index: int) -> Bgr:
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.7, _VALUES[index % len(_VALUES)])
    return round(blue * 255), round(green * 255), round(red * 255)
