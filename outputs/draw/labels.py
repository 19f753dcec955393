"""Labels: small solid plates with text or icons, made once and used again."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import ColourMatrix, Pixels
from contracts.prediction import Detections
from contracts.sizes import Sizes
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Rgb, Yuv, text_on, to_yuv
from outputs.draw.icons import GROUND, WHITE, Icon, layers_of
from outputs.draw.signs import Sign
from outputs.draw.text import CAPITAL, LONGEST_NAME, Letters, Typesetter, halved, shortened

_WEIGHT = 600  # semibold: thin strokes do not survive 4:2:0 and the encoder


def label_text(detections: Detections, index: int, *, carried: bool = False) -> str:
    """The words of one label: "car 0.87", "car 0.87 #12" where a tracker gave an id, "~ car 0.87" of an older frame.

    Where sizes are known, "crack 0.87 · 3.2 mm" says how wide something thin is, "car 0.87 · 1840 × 1450 mm" how large
    the box of anything else.
    """
    name = shortened(detections.name(index), LONGEST_NAME)
    tracks = detections.track_ids
    track = f" #{int(tracks[index])}" if tracks is not None and tracks[index] >= 0 else ""
    size = _size(detections.sizes, index)
    return f"{'~ ' if carried else ''}{name} {float(detections.scores[index]):.2f}{track}{size}"


def _size(sizes: Sizes | None, index: int) -> str:
    """In mm, to what a depth camera can tell: three digits, and a tenth below 10 mm."""
    if sizes is None:
        return ""
    width, sides = float(sizes.widths[index]), (float(sizes.box_widths[index]), float(sizes.box_heights[index]))
    if math.isfinite(width):
        return f" · {_millimetres(width)} mm"
    return f" · {' × '.join(map(_millimetres, sides))} mm" if all(map(math.isfinite, sides)) else ""


def _millimetres(size: float) -> str:
    return f"{size:.1f}" if size < 9.95 else f"{float(f'{size:.3g}'):.0f}"


def text_size(canvas: Canvas) -> int:
    """Pixels of label text: 16 at 720 rows, never below 11 (the least that stays readable)."""
    return max(11, round(16 * canvas.scale))


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A label ready to be put on a canvas: luma (height, width), chroma (height/2, width/2); both sizes even."""

    y: Pixels
    u: Pixels
    v: Pixels

    @classmethod
    def plain(cls, width: int, height: int, colour: Yuv) -> Plate:
        """A plate of one colour; both sizes even."""
        half = (height // 2, width // 2)
        return cls(
            np.full((height, width), colour.y, np.uint8),
            np.full(half, colour.u, np.uint8),
            np.full(half, colour.v, np.uint8),
        )

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

    def coat(self, coverage: Pixels, colour: Yuv) -> None:
        """Paint ``colour`` over it where coverage, uint8 (height, width), is 255; less where it is less."""
        half = halved(coverage)
        for plane, share, value in ((self.y, coverage, colour.y), (self.u, half, colour.u), (self.v, half, colour.v)):
            plane[:] = np.rint(plane + (value - plane.astype(np.float32)) * (share / np.float32(255)))

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
        self._plates: OrderedDict[Hashable, Plate] = OrderedDict()

    def get(self, key: PlateKey, least: int = 0) -> Plate:
        """The plate of ``key``, from memory or made now; at least ``least`` rows high (even)."""
        return self._remembered((*key, least), lambda: self._make(*key, least))

    def badge(self, signs: tuple[Sign, ...], size: int, matrix: ColourMatrix) -> Plate:
        """The dark plate of signs that goes beside a label of text ``size``, from memory or made now."""
        return self._remembered((signs, size, matrix), lambda: self._make_badge(signs, size, matrix))

    def _remembered(self, key: Hashable, make: Callable[[], Plate]) -> Plate:
        plate = self._plates.get(key)
        if plate is not None:
            self._plates.move_to_end(key)
            return plate
        plate = make()
        self._plates[key] = plate
        self.nbytes += plate.nbytes
        while self.nbytes > self._limit:
            self.nbytes -= self._plates.popitem(last=False)[1].nbytes
        return plate

    def _make(self, text: str, background: Rgb, size: int, matrix: ColourMatrix, least: int) -> Plate:
        letters = Letters(size, _WEIGHT)
        wide, below = self._setter.extent(text, letters)
        side, capital, edge = max(2, round(size * 0.28)), round(CAPITAL * size), max(2, round(size * 0.26))
        width, height = wide + 2 * side, capital + edge + max(edge, below + 1)
        rows = max(height + height % 2, least)
        coverage = np.zeros((rows, width + width % 2), np.uint8)
        self._setter.write(coverage, text, (side, edge + capital + (rows - height) // 2), letters)
        plate, ink, half = to_yuv(background, matrix), to_yuv(text_on(background), matrix), halved(coverage)
        return Plate(_mixed(coverage, plate.y, ink.y), _mixed(half, plate.u, ink.u), _mixed(half, plate.v, ink.v))

    def _make_badge(self, signs: tuple[Sign, ...], size: int, matrix: ColourMatrix) -> Plate:
        side, gap, letters = 2 * round(size * 0.8), 2 * max(1, round(size * 0.12)), Letters(size, _WEIGHT)
        drawn = [self._drawn(sign, side, letters) for sign in signs]
        width = gap + sum(layers[0][1].shape[1] + gap for layers in drawn)
        plate = Plate.plain(width + width % 2, side + gap, to_yuv(GROUND, matrix))
        left = gap
        for layers in drawn:
            for colour, pixels in layers:
                coverage = np.zeros(plate.y.shape, np.uint8)
                coverage[gap // 2 : gap // 2 + side, left : left + pixels.shape[1]] = pixels
                plate.coat(coverage, to_yuv(colour, matrix))
            left += layers[0][1].shape[1] + gap
        return plate

    def _drawn(self, sign: Sign, side: int, letters: Letters) -> list[tuple[Rgb, Pixels]]:
        """Colours and coverages, ``side`` rows high, of a sign; a word has room on both sides, to stand apart."""
        if isinstance(sign, Icon):
            return layers_of(sign, side)
        room = letters.size // 4
        coverage = np.zeros((side, self._setter.width(sign, letters) + 2 * room), np.uint8)
        self._setter.write(coverage, sign, (room, (side + round(CAPITAL * letters.size)) // 2), letters)
        return [(WHITE, coverage)]


def _mixed(coverage: Pixels, background: int, ink: int) -> Pixels:
    """``background`` where coverage is 0, ``ink`` where it is 255."""
    return np.asarray(cv2.convertScaleAbs(coverage, alpha=(ink - background) / 255, beta=background), np.uint8)
