"""Address: what may stand behind ``synthetic:``, checked once, and the form it is printed in."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.options import MOST_SEED, number_option, options_of, rate_option, size_option, whole_option
from sources.synthetic.looks import DEFAULT_LOOK, LOOKS

LEAST_SIZE, MOST_SIZE = 64, 4096
"""Pixels of width and of height."""
_MOST_SECONDS = 86_400
_OPTIONS = ("seed", "size", "seconds", "fps")
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
        options = options_of(uri, query, _OPTIONS) if mark else {}
        width, height = size_option(uri, options.get("size", "1280x720"), LEAST_SIZE, MOST_SIZE)
        seed = whole_option(uri, "seed", options.get("seed", "1"), 0, MOST_SEED)
        seconds = number_option(uri, "seconds", options.get("seconds", "20"), 0, _MOST_SECONDS)
        if seconds == 0:
            raise UsageError(f"seconds of {uri!r} must be above 0", _FORM)
        fps = rate_option(uri, options.get("fps", "30"))
        return cls(look, seed, width, height, seconds, fps)

    @property
    def frames(self) -> int:
        """How many frames the drive has, at least one."""
        return max(1, int(self.seconds * self.fps))

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}"
        return (
            f"synthetic:{self.look}?seed={self.seed}&size={size}&seconds={_plain(self.seconds)}&fps={_plain(self.fps)}"
        )


def _plain(value: Fraction) -> str:
    """20, 0.5 or 30000/1001: whatever ``number_option`` reads back exactly."""
    return str(value)
