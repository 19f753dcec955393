"""Address: what may stand behind ``synthetic:``, checked once, and the form it is printed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import parse_qsl

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.synthetic.looks import DEFAULT_LOOK, LOOKS

LEAST_SIZE, MOST_SIZE = 64, 4096
"""Pixels of width and of height."""
_MOST_SECONDS, _MOST_RATE, _MOST_SEED = 86_400, 1000, 2**63 - 1
_FORM = "write synthetic:highway?seed=7&size=1280x720&seconds=20&fps=30"


@dataclass(frozen=True, slots=True)
class Address:
    """One drive: ``synthetic:LOOK?seed=1&size=1280x720&seconds=20&fps=30``, everything optional."""

    look: str = DEFAULT_LOOK
    seed: int = 1
    width: int = 1280
    height: int = 720
    seconds: Fraction = Fraction(20)
    fps: Fraction = Fraction(30)

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Raises UsageError that names what is wrong and, for unknown words, the nearest known one."""
        scheme, colon, rest = uri.partition(":")
        if scheme.lower() != "synthetic" or not colon:
            raise UsageError(f"{uri!r} is no synthetic drive", _FORM)
        look, mark, query = rest.partition("?")
        look = look or DEFAULT_LOOK
        if look not in LOOKS:
            raise UsageError(f"unknown look {look!r} in {uri!r}", did_you_mean(look, LOOKS))
        options = _options(uri, query) if mark else {}
        width, height = _size(uri, options.get("size", "1280x720"))
        seed = _number(uri, "seed", options.get("seed", "1"), 0, _MOST_SEED)
        if seed.denominator != 1:
            raise UsageError(f"seed of {uri!r} is not a whole number", "write seed=7")
        seconds = _number(uri, "seconds", options.get("seconds", "20"), 0, _MOST_SECONDS)
        fps = _number(uri, "fps", options.get("fps", "30"), 0, _MOST_RATE)
        for name, value in (("seconds", seconds), ("fps", fps)):
            if value == 0:
                raise UsageError(f"{name} of {uri!r} must be above 0", _FORM)
        return cls(look, int(seed), width, height, seconds, fps)

    @property
    def frames(self) -> int:
        """How many frames the drive has, at least one."""
        return max(1, int(self.seconds * self.fps))

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}"
        return (
            f"synthetic:{self.look}?seed={self.seed}&size={size}&seconds={_plain(self.seconds)}&fps={_plain(self.fps)}"
        )


def _options(uri: str, query: str) -> dict[str, str]:
    """The query as names and values; every name known and given once."""
    found: dict[str, str] = {}
    known = ("seed", "size", "seconds", "fps")
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise UsageError(f"unknown option {name!r} in {uri!r}", did_you_mean(name, known))
        if name in found:
            raise UsageError(f"option {name!r} stands twice in {uri!r}", "write it once")
        found[name] = value
    return found


def _size(uri: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})[xX×]([0-9]{1,5})", text)
    if match is None:
        raise UsageError(f"size {text!r} in {uri!r} is not WIDTHxHEIGHT", "write size=1280x720")
    width, height = int(match[1]), int(match[2])
    if not (LEAST_SIZE <= width <= MOST_SIZE and LEAST_SIZE <= height <= MOST_SIZE):
        raise UsageError(
            f"size {text} in {uri!r} is out of bounds",
            f"width and height lie between {LEAST_SIZE} and {MOST_SIZE} pixels",
        )
    return width, height


def _number(uri: str, name: str, text: str, least: int, most: int) -> Fraction:
    """A number written as 30, 29.97 or 30000/1001, within bounds."""
    if not re.fullmatch(r"[0-9]{1,19}(\.[0-9]{1,9}|/[0-9]{1,9})?", text) or re.search(r"/0+$", text):
        raise UsageError(f"{name} {text!r} in {uri!r} is not a number", _FORM)
    value = Fraction(text)
    if not least <= value <= most:
        raise UsageError(f"{name} {text} in {uri!r} is out of bounds", f"it lies between {least} and {most}")
    return value


def _plain(value: Fraction) -> str:
    """20, 0.5 or 30000/1001: whatever ``_number`` reads back exactly."""
    return str(value)
