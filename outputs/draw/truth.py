"""Truth: labels beside what the networks saw, in another look.

Black and white where predictions are coloured, broken lines where they are whole, hatching where they are filled: so
nobody needs to see colours to tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.config import Layer
from contracts.overlap import overlaps
from contracts.picture import Pixels
from contracts.prediction import ClassMap, Detections, Prediction
from outputs.draw.boxes import even_corners, line_width
from outputs.draw.canvas import Canvas
from outputs.draw.class_maps import colour_tables
from outputs.draw.colours import Rgb, Yuv
from outputs.draw.labels import Plates, text_size
from outputs.draw.placing import Places, Rectangle
from outputs.draw.text import LONGEST_NAME, shortened

PAPER: Rgb = (255, 255, 255)
"""Of the labels."""
_WHITE, _BLACK = Yuv(235, 128, 128), Yuv(16, 128, 128)
_HATCH = 30  # pixels between two stripes, at 720 rows
_CLOSEST = 22  # pixels: closer stripes are a grey area
_SAME = 0.5  # IoU from which on a box of the same class is taken for the same thing
_STRIPE_ALPHA, _SHADE_ALPHA, _CLASS_ALPHA = 0.75, 0.4, 0.85
_LOOKS: tuple[tuple[str, frozenset[Layer]], ...] = (
    ("dashed", frozenset({"boxes", "lanes"})),
    ("hatched", frozenset({"drivable"})),
)


class TruthBrush:
    """Draws truths. layers: as for ``Painter``."""

    def __init__(self, layers: frozenset[Layer]) -> None:
        self._layers = layers
        self._plates = Plates()

    def paint_areas(self, canvas: Canvas, truth: Prediction) -> None:
        """Areas and class maps hatched inside a broken outline; lane lines only outlined, they are thin."""
        for mask in truth.masks().values():
            wanted: Layer = "lanes" if mask.role == "lane" else "drivable"
            if wanted in self._layers:
                inside = mask.on_frame((canvas.frame_width, canvas.frame_height)) * np.uint8(255)
                if mask.role != "lane":
                    _hatch(canvas, inside)
                _outline(canvas, _rim(canvas, inside))
        if "drivable" in self._layers:
            for part in truth.class_maps().values():
                _paint_classes(canvas, part)

    def paint_boxes(self, canvas: Canvas, truth: Prediction) -> None:
        """Boxes in broken lines with whole corners."""
        if "boxes" in self._layers:
            for part in truth.detections().values():
                for x1, y1, x2, y2 in even_corners(part.boxes, canvas).tolist():
                    _broken_box(canvas, (x1, y1, x2, y2), line_width(canvas))

    def paint_labels(self, canvas: Canvas, truth: Prediction, prediction: Prediction, places: Places) -> None:
        """A small white label at each box that no network has seen, or called otherwise, where there is room."""
        size = truth_size(canvas)
        for part in truth.detections().values():
            corners = even_corners(part.boxes, canvas).tolist()
            for index in np.flatnonzero(~_seen(part, prediction)).tolist():
                x1, y1, x2, y2 = corners[index]
                text = f"truth {shortened(part.name(index), LONGEST_NAME)}"
                plate = self._plates.get((text, PAPER, size, canvas.matrix))
                spot = places.find((x1, y1, x2, y2), plate.width, plate.height)
                if spot is not None:
                    plate.put(canvas, *spot)

    def paint_plate(self, canvas: Canvas, truth: Prediction) -> Iterator[Rectangle]:
        """What has no box to stand at, in the right lower corner: the class of the whole picture, and what hatching is.

        Yields where something stands.
        """
        lines = [f"truth: {shortened(part.name(0), LONGEST_NAME)}" for part in truth.classifications().values()]
        drawn: set[Layer] = {"lanes" if mask.role == "lane" else "drivable" for mask in truth.masks().values()}
        drawn |= {"drivable"} if truth.class_maps() else set()
        drawn |= {"boxes"} if truth.detections() else set()
        looks = [look for look, layers in _LOOKS if drawn & self._layers & layers]
        lines += [f"truth: {', '.join(looks)}"] if looks else []
        size = truth_size(canvas)
        bottom = canvas.height - size // 2 * 2
        for line in reversed(lines):
            plate = self._plates.get((line, PAPER, size, canvas.matrix))
            left = canvas.width - plate.width - size // 2 * 2
            bottom -= plate.height
            if left < 0 or bottom < canvas.height // 2:
                return
            plate.put(canvas, left, bottom)
            yield left, bottom, left + plate.width, bottom + plate.height


def _seen(truth: Detections, prediction: Prediction) -> NDArray[np.bool_]:
    """Bool (N,): whether some network has a box of the same class there."""
    seen = np.zeros(len(truth), np.bool_)
    for found in prediction.detections().values():
        same = np.array([[truth.name(i) == found.name(j) for j in range(len(found))] for i in range(len(truth))], bool)
        if same.size:
            alike = overlaps(truth.boxes.astype(np.float64), found.boxes.astype(np.float64)) >= _SAME
            seen |= (same & alike).any(axis=1)
    return seen


def truth_size(canvas: Canvas) -> int:
    """Pixels of the words of a truth: smaller than those of a prediction, which comes first."""
    return max(10, round(0.75 * text_size(canvas)))


def _rim(canvas: Canvas, inside: Pixels) -> Pixels:
    """The outermost pixels of an area, one wide in small frames, else two; where the frame ends, the area does not."""
    reach = 3 if canvas.scale < 0.75 else 5
    core = cv2.erode(inside, np.ones((reach, reach), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=255)
    return np.asarray(cv2.subtract(inside, core), np.uint8)


def _hatch(canvas: Canvas, inside: Pixels) -> None:
    """White stripes with a dark one beside each, so that they show on snow and on tar."""
    white, black = _stripes(inside.shape, _hatch_step(canvas))
    _ink(canvas, cv2.bitwise_and(inside, black), _BLACK, _SHADE_ALPHA)
    _ink(canvas, cv2.bitwise_and(inside, white), _WHITE, _STRIPE_ALPHA)


def _outline(canvas: Canvas, rim: Pixels) -> None:
    """A line in black and white pieces."""
    white = _pieces(rim.shape, 4 * line_width(canvas))
    _ink(canvas, rim, _BLACK, 1)
    _ink(canvas, cv2.bitwise_and(rim, white), _WHITE, 1)


def _paint_classes(canvas: Canvas, part: ClassMap) -> None:
    """Stripes in the classes' colours, a broken line between two classes."""
    ids = part.on_frame((canvas.frame_width, canvas.frame_height))
    tables = colour_tables(part.names, part.palette, canvas.matrix)
    step = _hatch_step(canvas)
    white, black = _stripes(ids.shape, step)
    stripes = cv2.bitwise_and(cv2.LUT(ids, tables.painted), cv2.bitwise_or(white, black))
    _blend(canvas.y, cv2.LUT(ids, tables.y), np.asarray(stripes, np.uint8), _CLASS_ALPHA)
    few, half = ids[::2, ::2], _halved(np.asarray(stripes, np.uint8))
    for plane, table in ((canvas.u, tables.u), (canvas.v, tables.v)):
        _blend(plane, cv2.LUT(few, table), half, _CLASS_ALPHA)
    border = np.zeros_like(ids)
    border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    border[1:] |= ids[1:] != ids[:-1]
    wide = cv2.dilate(border * np.uint8(255), np.ones((2, 2), np.uint8))
    _outline(canvas, np.asarray(wide, np.uint8))


def _broken_box(canvas: Canvas, corners: Rectangle, line: int) -> None:
    """White and black pieces with gaps, in which what lies below shows; whole, longer pieces at the corners."""
    x1, y1, x2, y2 = corners
    for begin, end, colour in _pieces_of(x1, x2, line):
        for top in (y1, max(y2 - line, y1)):
            _fill(canvas, (begin, top, end, min(top + line, y2)), colour)
    for begin, end, colour in _pieces_of(y1, y2, line):
        for left in (x1, max(x2 - line, x1)):
            _fill(canvas, (left, begin, min(left + line, x2), end), colour)


def _pieces_of(first: int, last: int, line: int) -> Iterator[tuple[int, int, Yuv]]:
    """(begin, end, colour) of the pieces of a side; everything even, and the same from both ends."""
    corner = min(6 * line, (last - first) // 4 * 2)
    yield first, first + corner, _WHITE
    yield last - corner, last, _WHITE
    piece, place = 2 * line, first + corner
    while place + piece <= last - corner:
        yield place, place + piece, _BLACK
        yield place + piece, min(place + 2 * piece, last - corner), _WHITE
        place += 4 * piece


def _fill(canvas: Canvas, corners: Rectangle, colour: Yuv) -> None:
    x1, y1, x2, y2 = corners
    canvas.y[y1:y2, x1:x2] = colour.y
    canvas.u[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2] = colour.u
    canvas.v[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2] = colour.v


def _ink(canvas: Canvas, stencil: Pixels | cv2.typing.MatLike, colour: Yuv, alpha: float) -> None:
    """Blends a colour in where the stencil (255, at the frame's size) is set."""
    left, top, width, height = cv2.boundingRect(stencil)
    left, top, right, bottom = left // 2 * 2, top // 2 * 2, left + width, top + height
    full = np.asarray(stencil, np.uint8)[top:bottom, left:right]
    if not full.size:
        return
    half = _halved(full)
    for plane, mask, value, x, y in (
        (canvas.y, full, colour.y, left, top),
        (canvas.u, half, colour.u, left // 2, top // 2),
        (canvas.v, half, colour.v, left // 2, top // 2),
    ):
        region = plane[y : y + mask.shape[0], x : x + mask.shape[1]]
        cv2.copyTo(cv2.convertScaleAbs(region, alpha=1 - alpha, beta=alpha * value), mask, region)


def _halved(stencil: Pixels) -> Pixels:
    """The stencil of the chroma planes, whose pixels are four of luma: set where about half of these are."""
    height, width = stencil.shape
    small = cv2.resize(stencil, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(small, 126, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _blend(plane: Pixels, colours: Pixels | cv2.typing.MatLike, stencil: Pixels, alpha: float) -> None:
    region = plane[: stencil.shape[0], : stencil.shape[1]]
    cv2.copyTo(cv2.addWeighted(region, 1 - alpha, np.asarray(colours, np.uint8), alpha, 0), stencil, region)


def _hatch_step(canvas: Canvas) -> int:
    """Pixels from a stripe to the next."""
    return max(_CLOSEST, round(_HATCH * canvas.scale))


@lru_cache(maxsize=4)
def _stripes(shape: tuple[int, int], step: int) -> tuple[Pixels, Pixels]:
    """White stripes and the dark ones beside them, from below left to above right: 0 and 255, (height, width)."""
    height, width = shape
    across = (np.arange(width)[None] + np.arange(height)[:, None]) % step
    thick = max(1, step // 14)
    white, black = across < thick, (across >= thick) & (across < 2 * thick)
    return white.astype(np.uint8) * np.uint8(255), black.astype(np.uint8) * np.uint8(255)


@lru_cache(maxsize=4)
def _pieces(shape: tuple[int, int], length: int) -> Pixels:
    """A chessboard of ``length`` pixels, which breaks a line of any direction into pieces: 0 and 255."""
    height, width = shape
    fields = (np.arange(width)[None] // length + np.arange(height)[:, None] // length) % 2
    return fields.astype(np.uint8) * np.uint8(255)
