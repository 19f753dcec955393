"""Legend: which colour is which class of the class maps, in the right upper corner."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.prediction import ClassMap
from outputs.draw.canvas import Canvas
from outputs.draw.class_maps import painted_colour
from outputs.draw.colours import Rgb, to_yuv
from outputs.draw.glass import Glass, Tint, glass, glass_margin, glass_size
from outputs.draw.placing import Rectangle
from outputs.draw.text import CAPITAL, Letters, Typesetter, Word, printable, written

SMALLEST = 0.005
"""Share of the frame below which a class is not listed."""
MOST = 10
_WEIGHT = 500
_LONGEST_NAME = 24  # letters
_WIDEST, _TALLEST = 0.5, 0.5  # with its margin, of the canvas: it never meets the panel or the classification

Entry = tuple[str, Rgb]
"""Class name and colour."""


def entries_of(parts: Iterable[ClassMap]) -> tuple[Entry, ...]:
    """The painted classes of a frame, largest share first; those below ``SMALLEST`` and beyond ``MOST`` left out."""
    shares: dict[Entry, float] = {}
    for part in parts:
        for class_id, share in part.shares().items():
            colour = painted_colour(part, class_id)
            if colour is not None:
                entry = part.name(class_id), colour
                shares[entry] = shares.get(entry, 0.0) + share
    listed = sorted((entry for entry in shares if shares[entry] >= SMALLEST), key=lambda entry: -shares[entry])
    return tuple(listed[:MOST])


class Legend:
    """Draws entries; the drawing is kept while the same ones come again on canvases of the same kind."""

    def __init__(self) -> None:
        self._setter = Typesetter()
        self._key: object = None
        self._glass: Glass | None = None

    def draw(self, canvas: Canvas, entries: tuple[Entry, ...]) -> Rectangle | None:
        """Put the legend on the canvas and tell where; None: there is nothing to list, or no room."""
        key = entries, canvas.width, canvas.height, canvas.matrix
        if key != self._key:
            self._glass = self._fitting(canvas, entries)
            self._key = key
        shown = self._glass
        if shown is None:
            return None
        margin = glass_margin(glass_size(canvas.width, canvas.height))
        left = canvas.width - margin - shown.width
        shown.put(canvas, left, margin)
        return left, margin, left + shown.width, margin + shown.height

    def _fitting(self, canvas: Canvas, entries: tuple[Entry, ...]) -> Glass | None:
        """As many entries as there is room for, largest first."""
        size = glass_size(canvas.width, canvas.height)
        margin = glass_margin(size)
        for count in range(len(entries), 0, -1):
            words, tints, width, height = self._laid_out(canvas, entries[:count], size)
            if width + 1 + margin <= _WIDEST * canvas.width and height + 1 + margin <= _TALLEST * canvas.height:
                return glass(written(self._setter, words, width, height), size // 2, tints)
        return None

    def _laid_out(
        self, canvas: Canvas, entries: tuple[Entry, ...], size: int
    ) -> tuple[list[Word], list[Tint], int, int]:
        """Every word and colour in its place, and the legend's width and height in pixels."""
        letters, edge, line = Letters(size, _WEIGHT), round(size * 0.4) * 2, round(size * 1.5)
        side, capital = round(size * 0.45) * 2, round(size * CAPITAL)
        left = edge + side + round(size * 0.5)
        words: list[Word] = []
        tints: list[Tint] = []
        inner = 0
        for row, (name, colour) in enumerate(entries):
            baseline = edge + capital + row * line
            top = (baseline - (capital + side) // 2) // 2 * 2
            text = printable(name, _LONGEST_NAME)
            words.append(Word(text, (left, baseline), letters))
            swatch = edge, top, edge + side, top + side
            tints.append(Tint(swatch, to_yuv(colour, canvas.matrix), rim=max(1, size // 14)))
            inner = max(inner, self._setter.width(text, letters))
        return words, tints, left + inner + edge, edge + capital + (len(entries) - 1) * line + edge
