"""What stands behind the ``?`` of a source: names and values, each known and given once."""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from urllib.parse import parse_qsl

from contracts.errors import UsageError
from contracts.text import did_you_mean, pixel_size

MOST_RATE = 1000
"""Frames per second."""
MOST_SEED = 2**63 - 1


def options_of(uri: str, query: str, known: Collection[str]) -> dict[str, str]:
    """``a=1&b=2`` as names and values. Raises UsageError with the nearest known name."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise UsageError(f"unknown option {name!r} in {uri!r}", did_you_mean(name, known))
        if name in found:
            raise UsageError(f"option {name!r} stands twice in {uri!r}", "write it once")
        found[name] = value
    return found


def size_option(uri: str, text: str, least: int, most: int) -> tuple[int, int]:
    """(width, height) in pixels, each within bounds, of ``1280x720``. Raises UsageError."""
    size = pixel_size(text)
    if size is None:
        raise UsageError(f"size {text!r} in {uri!r} is not WIDTHxHEIGHT", "write size=1280x720")
    if not all(least <= side <= most for side in size):
        raise UsageError(
            f"size {text} in {uri!r} is out of bounds", f"width and height lie between {least} and {most} pixels"
        )
    return size


def number_option(
    uri: str, name: str, text: str, least: int, most: int, *, example: str = "7, or {name}=7.5"
) -> Fraction:
    """A number written as 30, 29.97 or 30000/1001, within bounds. Raises UsageError."""
    if not re.fullmatch(r"[0-9]{1,19}(\.[0-9]{1,9}|/[0-9]{1,9})?", text) or re.search(r"/0+$", text):
        raise UsageError(f"{name} {text!r} in {uri!r} is not a number", f"write {name}={example.format(name=name)}")
    value = Fraction(text)
    if not least <= value <= most:
        raise UsageError(f"{name} {text} in {uri!r} is out of bounds", f"it lies between {least} and {most}")
    return value


def whole_option(uri: str, name: str, text: str, least: int, most: int) -> int:
    """A whole number within bounds. Raises UsageError."""
    value = number_option(uri, name, text, least, most, example="7")
    if value.denominator != 1:
        raise UsageError(f"{name} of {uri!r} is not a whole number", f"write {name}=7")
    return int(value)


def rate_option(uri: str, text: str) -> Fraction:
    """Frames per second, above 0. Raises UsageError."""
    value = number_option(uri, "fps", text, 0, MOST_RATE)
    if value == 0:
        raise UsageError(f"fps of {uri!r} must be above 0", "write fps=30")
    return value
