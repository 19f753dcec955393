"""Grid: pictures of several sources in one, each in its cell, with its name and, where it is not live, its state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from contracts.fit import Window
from contracts.picture import ColourMatrix, Picture, Pixels
from contracts.pool import Pool
from outputs.draw.canvas import Canvas
from outputs.draw.glass import Glass, glass, glass_margin, glass_size
from outputs.draw.scaling import Scaling, place_in
from outputs.draw.text import CAPITAL, DIM, Letters, Typesetter, Word, shortened, written

LARGEST = (1920, 1080)
"""Pixels that a grid has at most where no size was asked for."""
_USUAL_ASPECT = 16 / 9  # of what a grid is shown on
_GROUND, _GREY = 24, 128  # luma of what no picture covers, and chroma without colour
_DIM = 0.35  # what is left of an old picture's contrast
_LONGEST_NAME, _LONGEST_STATE = 32, 48  # letters
_COLOURSPACES: dict[ColourMatrix, int] = {"bt601": 5, "bt709": 1, "bt2020": 9}  # FFmpeg's, as swscale takes them


@dataclass(frozen=True, slots=True)
class GridLayout:
    """Where the cells are; all numbers even."""

    width: int
    height: int
    cells: tuple[Window, ...]

    @classmethod
    def of(cls, count: int, picture: tuple[int, int], size: tuple[int, int] | None = None) -> GridLayout:
        """Cells for so many sources whose pictures are like ``picture`` (width, height).

        As many columns as show them largest; of equals the shape nearest to a screen's, with few empty cells. size: of
        the whole; None: as large as they are, up to ``LARGEST``.
        """

        def zoom(columns: int) -> float:
            wide, high = columns * picture[0], math.ceil(count / columns) * picture[1]
            fitting = min((size or LARGEST)[0] / wide, (size or LARGEST)[1] / high)
            return fitting if size is not None else min(fitting, 1.0)

        def rank(columns: int) -> tuple[float, float, int]:
            rows = math.ceil(count / columns)
            strange = abs(math.log(columns * picture[0] / (rows * picture[1]) / _USUAL_ASPECT))
            empty = (columns * rows - count) / count
            return round(zoom(columns), 6), -round(strange + empty, 6), columns

        columns = max(range(1, count + 1), key=rank)
        rows = math.ceil(count / columns)
        cell = [max(2, int(side * zoom(columns)) // 2 * 2) for side in picture]
        width, height = size or (cell[0] * columns, cell[1] * rows)
        across, down = _cuts(width, columns), _cuts(height, rows)
        cells = (
            Window(across[place % columns], down[place // columns], *_sides(place, columns, across, down))
            for place in range(count)
        )
        return cls(width, height, tuple(cells))


def _cuts(length: int, parts: int) -> list[int]:
    """Even borders of equal parts."""
    return [length * part // parts // 2 * 2 for part in range(parts + 1)]


def _sides(place: int, columns: int, across: Sequence[int], down: Sequence[int]) -> tuple[int, int]:
    column, row = place % columns, place // columns
    return across[column + 1] - across[column], down[row + 1] - down[row]


@dataclass(frozen=True, slots=True, eq=False)
class GridCell:
    """What a cell shows. state: why it is not its source's picture of now ("connecting", "lost"); "" where it is."""

    name: str
    picture: Picture | None = None
    state: str = ""


class GridPainter:
    """Puts pictures (yuv420p, as ``Canvas.picture`` gives them) together; used by one thread.

    The first picture decides on the grid's colours (its matrix); others are converted.
    """

    def __init__(self, layout: GridLayout) -> None:
        self._layout = layout
        self._matrix: ColourMatrix | None = None
        self._pool = Pool((layout.height * 3 // 2, layout.width))
        self._setter, self._reformatter = Typesetter(), VideoReformatter()
        self._scaling = [Scaling() for _ in layout.cells]
        self._plates: dict[tuple[str, str, int], Glass] = {}

    def paint(self, cells: Sequence[GridCell]) -> Picture:
        """The grid, in memory of its own; cells in the order of the layout."""
        pictures = (cell.picture for cell in cells if cell.picture is not None)
        self._matrix = self._matrix or next((picture.matrix for picture in pictures), None)
        canvas = self._blank(self._matrix or "bt709")
        for cell, window, scaling in zip(cells, self._layout.cells, self._scaling, strict=True):
            part = _part(canvas, window)
            if cell.picture is not None:
                part = self._put(part, cell.picture, scaling)
                if cell.state:
                    _dim(part)
            self._paint_words(part, cell, glass_size(window.width, window.height))
        return canvas.picture()

    def _blank(self, matrix: ColourMatrix) -> Canvas:
        width, height = self._layout.width, self._layout.height
        buffer = self._pool.take()
        flat, size = buffer.reshape(-1), width * height
        half = (height // 2, width // 2)
        flat[:size], flat[size:] = _GROUND, _GREY
        y, u = flat[:size].reshape(height, width), flat[size : size * 5 // 4].reshape(half)
        return Canvas(buffer, y, u, flat[size * 5 // 4 :].reshape(half), width, height, matrix, tagged=True)

    def _put(self, part: Canvas, picture: Picture, scaling: Scaling) -> Canvas:
        """The picture as large as it fits into its cell; gives the part of the cell that it covers."""
        if picture.matrix != part.matrix:
            picture = self._converted(picture, part.matrix)
        place = place_in((picture.width, picture.height), (part.width, part.height))
        into = _part(part, place)
        scaled = scaling.scaled(picture, place.width, place.height)
        for plane, source in zip((into.y, into.u, into.v), scaled.planes, strict=True):
            np.copyto(plane, source)
        return into

    def _converted(self, picture: Picture, matrix: ColourMatrix) -> Picture:
        frame: av.VideoFrame = self._reformatter.reformat(
            picture.av_frame(),
            src_colorspace=_COLOURSPACES[picture.matrix],
            dst_colorspace=_COLOURSPACES[matrix],
        )
        return Picture("yuv420p", Picture.from_av(frame).planes, matrix, owner=frame)

    def _paint_words(self, part: Canvas, cell: GridCell, size: int) -> None:
        """The name in the lower right corner, which annotations leave free; with a state both in the middle."""
        plate = self._plate(cell.name, cell.state, size)
        if plate.width > part.width or plate.height > part.height:
            return
        if cell.state:
            x, y = (part.width - plate.width) // 4 * 2, (part.height - plate.height) // 4 * 2
        else:
            margin = glass_margin(size)
            x, y = part.width - plate.width - margin, part.height - plate.height - margin
        plate.put(part, max(x, 0), max(y, 0))

    def _plate(self, name: str, state: str, size: int) -> Glass:
        key = (name, state, size)
        if key not in self._plates:
            if len(self._plates) > 8 * len(self._layout.cells):  # states name seconds: old ones do not come again
                self._plates.clear()
            self._plates[key] = glass(_inked(self._setter, *key), radius=size // 2)
        return self._plates[key]


def _inked(setter: Typesetter, name: str, state: str, size: int) -> Pixels:
    """A name and, below it, a state, each in the middle."""
    lines = [(shortened(name, _LONGEST_NAME), Letters(size, 600), 255)]
    if state:
        lines.append((shortened(state, _LONGEST_STATE), Letters(size, 400), DIM))
    widths = [setter.width(text, letters) for text, letters, _ in lines]
    margin, step = round(size * 0.7), round(size * 1.5)
    width = max(widths) + 2 * margin
    words = [
        Word(text, ((width - wide) // 2, margin + round(size * CAPITAL) + row * step), letters, ink)
        for row, ((text, letters, ink), wide) in enumerate(zip(lines, widths, strict=True))
    ]
    return written(setter, words, width, 2 * margin + round(size * CAPITAL) + (len(lines) - 1) * step)


def _part(canvas: Canvas, window: Window) -> Canvas:
    """Views of a canvas's planes."""
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    half = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
    return Canvas(
        canvas.buffer,
        canvas.y[rows, columns],
        canvas.u[half],
        canvas.v[half],
        window.width,
        window.height,
        canvas.matrix,
        canvas.tagged,
    )


def _dim(part: Canvas) -> None:
    """Grey and dark, so that nobody takes it for what is there now."""
    cv2.convertScaleAbs(part.y, part.y, _DIM, _GROUND * (1 - _DIM))
    for plane in (part.u, part.v):
        plane[:] = _GREY
