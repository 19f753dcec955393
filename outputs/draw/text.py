"""Text: OpenCV's own TrueType letters as coverage (how much of each pixel is ink)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from contracts.picture import Pixels

CAPITAL = 0.70
"""Height of the font's capitals and digits for a size of 1 (measured)."""
LONGEST_NAME = 24
"""Letters of a class's or region's name that are written; a longer one ends in an ellipsis."""
DIM = 190
"""Ink of names and small print, of 255; what matters has all of it."""


class Letters(NamedTuple):
    """How letters look: size in pixels, weight 100 … 1000 (400 regular, 600 semibold, 700 bold)."""

    size: int
    weight: int


class Typesetter:
    """Sets single lines of text. One per thread: the font keeps state."""

    def __init__(self) -> None:
        self._face = cv2.FontFace("sans")

    def width(self, text: str, letters: Letters) -> int:
        """Pixels from the pen's start to the end of ``text``."""
        return self.extent(text, letters)[0]

    def extent(self, text: str, letters: Letters) -> tuple[int, int]:
        """``width``, and how many pixels the ink reaches below the baseline."""
        left, top, width, height = cv2.getTextSize((0, 0), text, (0, 0), self._face, letters.size, letters.weight)
        return int(left + width), int(top + height)

    def write(self, coverage: Pixels, text: str, pen: tuple[int, int], letters: Letters, ink: int = 255) -> None:
        """Write on ``coverage`` (uint8, height × width), with the baseline's start at ``pen`` (x, y)."""
        cv2.putText(coverage, text, pen, (ink,), self._face, letters.size, letters.weight)


@dataclass(frozen=True, slots=True)
class Word:
    """One piece of text: where its baseline starts, its letters and ink."""

    text: str
    pen: tuple[int, int]
    letters: Letters
    ink: int = 255


def written(setter: Typesetter, words: Iterable[Word], width: int, height: int) -> Pixels:
    """Words' ink on nothing: uint8 (height, width), each one more where it is odd."""
    coverage = np.zeros((height + height % 2, width + width % 2), np.uint8)
    for word in words:
        setter.write(coverage, word.text, word.pen, word.letters, word.ink)
    return coverage


def shortened(text: str, most: int) -> str:
    """One line of at most ``most`` letters; what cannot be printed becomes a question mark."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def halved(coverage: Pixels) -> Pixels:
    """Coverage (height and width even) at chroma resolution: the mean of each 2 × 2 pixels."""
    size = (coverage.shape[1] // 2, coverage.shape[0] // 2)
    return np.asarray(cv2.resize(coverage, size, interpolation=cv2.INTER_AREA), np.uint8)
