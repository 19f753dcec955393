"""Best classes: what the whole frame shows, in the left lower corner, as bars, and the text of the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.prediction import Classification
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Palette, Yuv, class_colour, to_yuv
from outputs.draw.glass import Glass, Tint, glass, glass_margin, glass_size
from outputs.draw.placing import Rectangle
from outputs.draw.text import CAPITAL, DIM, LONGEST_NAME, Letters, Typesetter, Word, shortened, written

_REGULAR, _BOLD = 500, 700
_BAR = 7  # width of a full score's bar, in text sizes
_TRACK = Yuv(70, 128, 128)  # what a bar leaves free
_TALLEST = 0.5  # with its margin, of the canvas's height: it never meets the panel or the legend
_DETAILS = ((5, 6), (5, 3), (3, 3), (2, 2), (1, 2), (1, 0))
"""Classes and lines of text, from the most that is shown to the least."""


def wrapped(setter: Typesetter, text: str, letters: Letters, width: int, most: int) -> list[str]:
    """Text in at most ``most`` lines of ``width`` pixels, broken between words, or in one that is longer than a line.

    An ellipsis ends what had to be cut. What cannot be printed becomes a question mark.
    """
    lines: list[str] = []
    line = ""
    words = shortened(" ".join(text.split()), len(text) + 1).split(" ")
    for word in words:
        joined = f"{line} {word}" if line else word
        if setter.width(joined, letters) <= width:
            line = joined
            continue
        lines += [line] if line else []
        *pieces, line = _pieces(setter, word, letters, width)
        lines += pieces
        if len(lines) > most:
            break
    lines += [line] if line else []
    if len(lines) <= most or not most:
        return lines[:most]
    last = lines[most - 1]
    while last and setter.width(f"{last}…", letters) > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last.rstrip()}…"]


def _pieces(setter: Typesetter, word: str, letters: Letters, width: int) -> list[str]:
    """A word in pieces that fit into a line, of at least one letter each."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and setter.width(pieces[-1] + letter, letters) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


@dataclass(frozen=True, slots=True)
class _Head:
    """What one head says, and the mark before its classes ("" or "~ ")."""

    part: Classification
    mark: str

    @property
    def key(self) -> tuple[object, ...]:
        """What is drawn of it depends on."""
        return self.mark, self.part.class_ids.tobytes(), self.part.scores.tobytes(), self.part.names, self.part.texts

    def words(self, index: int) -> str:
        """The name of the best class but ``index`` as it is written."""
        return self.mark + shortened(self.part.name(index), LONGEST_NAME)


@dataclass(slots=True)
class _Sheet:
    """What is being laid out: ``pen`` is the row below everything there is."""

    words: list[Word] = field(default_factory=list)
    tints: list[Tint] = field(default_factory=list)
    pen: int = 0


class BestClasses:
    """Draws classifications; the drawing is kept while the same scores come again on canvases of the same kind."""

    def __init__(self, palette: Palette) -> None:
        self._setter = Typesetter()
        self._palette = palette
        self._key: object = None
        self._glass: Glass | None = None

    def draw(
        self, canvas: Canvas, parts: Mapping[str, Classification], carried: Collection[str] = ()
    ) -> Rectangle | None:
        """Put the best classes of every head on the canvas and tell where; None: there are none, or no room.

        carried: heads whose network has not looked at this frame; "~" stands before their classes, as at boxes.
        """
        heads = [_Head(part, "~ " if head in carried else "") for head, part in parts.items() if len(part)]
        key = [head.key for head in heads]
        whole_key = key, canvas.width, canvas.height, canvas.matrix
        if whole_key != self._key:
            self._glass = self._fitting(canvas, heads)
            self._key = whole_key
        shown = self._glass
        if shown is None:
            return None
        margin = glass_margin(glass_size(canvas.width, canvas.height))
        top = canvas.height - margin - shown.height
        top -= top % 2
        shown.put(canvas, margin, top)
        return margin, top, margin + shown.width, top + shown.height

    def _fitting(self, canvas: Canvas, heads: Sequence[_Head]) -> Glass | None:
        """As much as there is room for."""
        if not heads:
            return None
        size = glass_size(canvas.width, canvas.height)
        margin, edge = glass_margin(size), round(size * 0.4) * 2
        bars = round(size * _BAR / 2) * 2
        score = self._setter.width("0.00", Letters(size, _BOLD))
        for classes, lines in _DETAILS:
            names = round(max(self._names_width(head, size, classes) for head in heads) / 2) * 2 + size // 2 * 2
            width = edge + names + bars + size // 2 * 2 + score + edge
            sheet = _Sheet(pen=edge)
            for head in heads:
                self._lay_out(sheet, canvas, head, (edge, names, bars, width), (classes, lines))
            height = sheet.pen + edge
            if width + 1 + 2 * margin <= canvas.width and height + 2 + margin <= _TALLEST * canvas.height:
                return glass(written(self._setter, sheet.words, width, height), size // 2, sheet.tints)
        return None

    def _names_width(self, head: _Head, size: int, classes: int) -> int:
        """Of the names that are shown, and never less than ten letters or so, so that the bars stay in place."""
        letters = Letters(size, _BOLD)
        shown = range(min(classes, len(head.part)))
        return max(size * 6, *(self._setter.width(head.words(i), letters) for i in shown))

    def _lay_out(
        self,
        sheet: _Sheet,
        canvas: Canvas,
        head: _Head,
        columns: tuple[int, int, int, int],
        detail: tuple[int, int],
    ) -> None:
        """One head's rows and text. columns: edge, names, bars, whole width, in pixels."""
        edge, names, bars, width = columns
        part = head.part
        size = glass_size(canvas.width, canvas.height)
        capital, line, gap = round(size * CAPITAL), round(size * 1.5), round(size * 0.6)
        thick = max(2, round(size * 0.25) * 2)
        sheet.pen += 2 * gap if sheet.words else 0
        for index in range(min(detail[0], len(part))):
            baseline = sheet.pen + capital
            letters, ink = (Letters(size, _BOLD), 255) if index == 0 else (Letters(size, _REGULAR), DIM)
            score = min(max(float(part.scores[index]), 0.0), 1.0)
            value = f"{score:.2f}"
            right = width - edge - self._setter.width(value, letters)
            sheet.words.append(Word(head.words(index), (edge, baseline), letters, ink))
            sheet.words.append(Word(value, (right, baseline), letters, ink))
            top, left = (baseline - (capital + thick) // 2) // 2 * 2, edge + names
            end = left + round(score * bars / 2) * 2
            colour = to_yuv(class_colour(part.name(index), self._palette), canvas.matrix)
            sheet.tints.append(Tint((left, top, left + bars, top + thick), _TRACK))
            sheet.tints.append(Tint((left, top, end, top + thick), colour))
            sheet.pen += line
        sheet.pen -= line - capital
        small = Letters(max(11, round(size * 0.9)), _REGULAR)
        lines = wrapped(self._setter, part.text(0), small, width - 2 * edge, detail[1])
        sheet.pen += 2 * gap if lines else 0
        for text in lines:
            sheet.words.append(Word(text, (edge, sheet.pen + round(small.size * CAPITAL)), small))
            sheet.pen += round(small.size * 1.4)
        sheet.pen -= round(small.size * (1.4 - CAPITAL)) if lines else 0
