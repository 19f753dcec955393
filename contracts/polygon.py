"""Polygon: an area of the picture as people write it, ``0%,80% 100%,80% 100%,100% 0%,100%``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator

from contracts.text import counted

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(%?)")
_NAME = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f]{1,40}")
_FARTHEST = 100_000  # pixels or per cent: no picture is larger, and a typing mistake is told from a place
_CURE = "write 3 and more points x,y in pixels or per cent, in quotes: '0%,80% 100%,80% 100%,100% 0%,100%'"


@dataclass(frozen=True, slots=True)
class Length:
    """A place along one axis: pixels, or per cent of the picture's width or height."""

    value: float
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.value:g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class Polygon:
    """Points x, y in order; the last is joined to the first.

    What it encloses is told by the even-odd rule: where its edges cross, what is enclosed twice is outside. Parts
    beyond the picture are allowed and mean nothing.
    """

    points: tuple[tuple[Length, Length], ...]

    @classmethod
    def parse(cls, text: str) -> Polygon:
        """``"x,y x,y x,y"`` with % where per cent is meant → Polygon.

        Raises ValueError ("what → cure") that names the faulty point.
        """
        points: list[tuple[Length, Length]] = []
        for number, word in enumerate(text.split(), 1):
            across, comma, down = word.partition(",")
            if not comma:
                raise ValueError(f"point {number} is {word!r}, not x,y → {_CURE}")
            points.append((_length(across, number, "x"), _length(down, number, "y")))
        if len(set(points)) < 3:
            raise ValueError(f"{text!r} is {counted(len(set(points)), 'point')} and encloses nothing → {_CURE}")
        return cls(tuple(points))

    def on(self, width: int, height: int) -> NDArray[np.float64]:
        """The points on a picture of ``width`` × ``height``: float64 (N, 2), in pixels."""
        shares = (width / 100, height / 100)
        return np.array(
            [[axis.value * (share if axis.percent else 1) for axis, share in zip(point, shares, strict=True)]
             for point in self.points]
        )  # fmt: skip

    def __str__(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.points)


def _length(text: str, number: int, axis: str) -> Length:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{axis} of point {number} is {text!r}, not a number → {_CURE}")
    value = float(match[1])
    if abs(value) > _FARTHEST:
        raise ValueError(f"{axis} of point {number} is {text}, beyond any picture → {_CURE}")
    return Length(value, bool(match[2]))


def _polygon(value: Any) -> Polygon:
    if isinstance(value, Polygon):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a polygon is text, not {type(value).__name__} → {_CURE}")
    return Polygon.parse(value)


def _several(value: Any) -> Any:
    """One polygon alone → a tuple of it."""
    return (value,) if isinstance(value, str | Polygon) else value


def _by_name(value: Any) -> Any:
    """``["crossing=x,y …", …]``, as on the command line → name → its polygons; all else is left for pydantic."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        named: dict[str, tuple[str, ...]] = {}
        for text in value:
            name, equals, points = str(text).rpartition("=")
            if not equals:
                raise ValueError(f"{text!r} has no name → write crossing='0%,60% 40%,60% 40%,90% 0%,90%'")
            named[name] = (*named.get(name, ()), points)
        value = named
    if isinstance(value, dict):
        faulty = next((name for name in value if not _NAME.fullmatch(str(name))), None)
        if faulty is not None:
            raise ValueError(f"{faulty!r} is no name of a region → 1 to 40 letters that can be printed, in one line")
    return value


_Text = Annotated[Polygon, PlainValidator(_polygon, json_schema_input_type=str), PlainSerializer(str, return_type=str)]
Polygons = Annotated[tuple[_Text, ...], BeforeValidator(_several, json_schema_input_type=list[str] | str)]
"""Polygons as an option: the texts, or one alone."""
Regions = Annotated[
    dict[str, Annotated[Polygons, Field(min_length=1)]],
    BeforeValidator(_by_name, json_schema_input_type=dict[str, list[str] | str] | list[str]),
]
"""Named areas as an option: name → one polygon or several, which are one area; or ``name=POLYGON`` texts."""
