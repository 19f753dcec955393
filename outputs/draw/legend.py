"""Legend: which colour is which class of the class maps, in the right upper corner."""

from __future__ import annotations

from outputs.draw.canvas import Canvas
from outputs.draw.colours import to_yuv
from outputs.draw.glass import Glass, Tint, glass, glass_margin, glass_size
from outputs.draw.listing import Entry
from outputs.draw.placing import Rectangle
from outputs.draw.text import CAPITAL, LONGEST_NAME, Letters, Typesetter, Word, shortened, written

_WEIGHT = 500
_WIDEST, _TALLEST = 0.5, 0.5  # with its margin, of the canvas: it never meets the panel or the classification
_CARRIED = "~ "
"""Before the name of a class that was not looked for in this very frame, as at boxes."""


class Legend:
    """Draws entries; the drawing is kept while the same ones come again on canvases of the same kind."""

    def __init__(self) -> None:
        self._setter = Typesetter()
        self._marks = False
        """Whether an entry was ever carried: from then on there is a column for the mark, that names stay in place."""
        self._key: object = None
        self._glass: Glass | None = None

    def draw(self, canvas: Canvas, entries: tuple[Entry, ...]) -> Rectangle | None:
        """Put the legend on the canvas and tell where; None: there is nothing to list, or no room."""
        self._marks = self._marks or any(entry.carried for entry in entries)
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

    def rows(self, canvas: Canvas) -> int:
        """How many entries a canvas has room for, one below the other."""
        size = glass_size(canvas.width, canvas.height)
        rest = _TALLEST * canvas.height - 1 - glass_margin(size) - self._height(size, 1)
        return 0 if rest < 0 else 1 + int(rest // round(size * 1.5))

    def _height(self, size: int, rows: int) -> int:
        """Pixels from the upper to the lower edge."""
        return 2 * round(size * 0.4) * 2 + round(size * CAPITAL) + (rows - 1) * round(size * 1.5)

    def _fitting(self, canvas: Canvas, entries: tuple[Entry, ...]) -> Glass | None:
        """As many entries as there is room for; of names too wide for the canvas the first ones."""
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
        mark = edge + side + round(size * 0.5)
        left = mark + (self._setter.width(_CARRIED, letters) if self._marks else 0)
        words: list[Word] = []
        tints: list[Tint] = []
        inner = 0
        for row, (name, colour, carried) in enumerate(entries):
            baseline = edge + capital + row * line
            top = (baseline - (capital + side) // 2) // 2 * 2
            text = shortened(name, LONGEST_NAME)
            words.append(Word(text, (left, baseline), letters))
            if carried:
                words.append(Word(_CARRIED.strip(), (mark, baseline), letters))
            swatch = edge, top, edge + side, top + side
            tints.append(Tint(swatch, to_yuv(colour, canvas.matrix), rim=max(1, size // 14)))
            inner = max(inner, self._setter.width(text, letters))
        return words, tints, left + inner + edge, self._height(size, len(entries))
