"""OutputSize: how large annotated pictures are, as people write it: ``1280x720``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from contracts.text import pixel_size

_LARGEST = 16_384
_CURE = "write WIDTHxHEIGHT in pixels, such as 1280x720"


def _size(value: Any) -> tuple[int, int]:
    """``"1280x720"`` (or 1280, 720) → width, height; raises ValueError ("what → cure")."""
    sides = pixel_size(value.strip()) if isinstance(value, str) else value
    if not (isinstance(sides, tuple | list) and len(sides) == 2 and all(type(side) is int for side in sides)):
        raise ValueError(f"{value!r} is no size → {_CURE}")
    width, height = sides
    if not all(2 <= side <= _LARGEST for side in (width, height)):
        raise ValueError(f"{width}x{height} is no size of a picture, 2x2 to {_LARGEST}x{_LARGEST} → {_CURE}")
    if width % 2 or height % 2:
        even = f"{width + width % 2}x{height + height % 2}"
        raise ValueError(f"{width}x{height} is odd, and video needs even sides → write {even}")
    return width, height


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


OutputSize = Annotated[
    tuple[int, int], PlainValidator(_size, json_schema_input_type=str), PlainSerializer(_text, return_type=str)
]
"""Width and height, both even."""
