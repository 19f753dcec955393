"""Labels: small solid plates with text, made once and used again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import ColourMatrix, Pixels
from contracts.prediction import Detections
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Rgb, text_on, to_yuv
from outputs.draw.text import CAPITAL, Letters, Typesetter, halved, printable

_WEIGHT = 600  # semibold: thin strokes do not survive 4:2:0 and the encoder
_LONGEST_NAME = 24  # letters


def label_text(detections: Detections, index: int, *, carried: bool = False) -> str:
    """The words of one label: "car 0.87", "car 0.87 #12" where a tracker gave an id, "~ car 0.87" of an older frame."""
    name = printable(detections.name(index), _LONGEST_NAME)
    tracks = detections.track_ids
    track = f" #{int(tracks[index])}" if tracks is not None and tracks[index] >= 0 else ""
    return f"{'~ ' if carried else ''}{name} {float(detections.scores[index]):.2f}{track}"


def text_size(canvas: Canvas) -> int:
    """Pixels of label text: 16 at 720 rows, never below 11 (the least that stays readable)."""
    return max(11, round(16 * canvas.scale))


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A label ready to be put on a canvas: luma (height, width), chroma (height/2, width/2); both sizes even."""

    y: Pixels
    u: Pixels
    v: Pixels

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.y.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory of the three planes."""
        return self.y.nbytes + self.u.nbytes + self.v.nbytes

    def put(self, canvas: Canvas, x: int, y: int) -> None:
        """Copy onto the canvas with its left upper corner at even pixels x, y."""
        canvas.y[y : y + self.height, x : x + self.width] = self.y
        x, y = x // 2, y // 2
        canvas.u[y : y + self.height // 2, x : x + self.width // 2] = self.u
        canvas.v[y : y + self.height // 2, x : x + self.width // 2] = self.v


PlateKey = tuple[str, Rgb, int, ColourMatrix]
"""Text, background, text size in pixels, matrix."""


class Plates:
    """Makes plates and remembers the latest ones, up to ``limit`` bytes; ``nbytes`` says how many there are."""

    def __init__(self, limit: int = 8 << 20) -> None:
        self._setter = Typesetter()
        self._limit = limit
        self.nbytes = 0
        self._plates: OrderedDict[PlateKey, Plate] = OrderedDict()

    def get(self, key: PlateKey) -> Plate:
        """The plate of ``key``, from memory or made now."""
        plate = self._plates.get(key)
        if plate is not None:
            self._plates.move_to_end(key)
            return plate
        plate = self._make(*key)
        self._plates[key] = plate
        self.nbytes += plate.nbytes
        while self.nbytes > self._limit:
            self.nbytes -= self._plates.popitem(last=False)[1].nbytes
        return plate

    def _make(self, text: str, background: Rgb, size: int, matrix: ColourMatrix) -> Plate:
        letters = Letters(size, _WEIGHT)
        wide, below = self._setter.extent(text, letters)
        side, capital, edge = max(2, round(size * 0.28)), round(CAPITAL * size), max(2, round(size * 0.26))
        width, height = wide + 2 * side, capital + edge + max(edge, below + 1)
        coverage = np.zeros((height + height % 2, width + width % 2), np.uint8)
        self._setter.write(coverage, text, (side, edge + capital), letters)
        plate, ink, half = to_yuv(background, matrix), to_yuv(text_on(background), matrix), halved(coverage)
        return Plate(_mixed(coverage, plate.y, ink.y), _mixed(half, plate.u, ink.u), _mixed(half, plate.v, ink.v))


def _mixed(coverage: Pixels, background: int, ink: int) -> Pixels:
    """``background`` where coverage is 0, ``ink`` where it is 255."""
    return np.asarray(cv2.convertScaleAbs(coverage, alpha=(ink - background) / 255, beta=background), np.uint8)
