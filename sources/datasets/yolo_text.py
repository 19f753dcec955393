"""YOLO's text: a line per object, numbers as shares of the picture.

``class cx cy w h`` is a box (a score behind it is read over), ``class x1 y1 x2 y2 x3 y3 …`` a polygon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from sources.datasets.fileset import Boxes

_LARGEST = 1e6
"""Of an id and of a coordinate: beyond it is no label but an accident."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One object. points: float64 (N, 2), x y as shares of the picture; the four corners where it is a box.

    A box's corners are as written: the third lies left of or above the first where its width or height is negative.
    """

    class_id: int
    points: NDArray[np.float64]
    is_box: bool


def read_outlines(path: Path) -> list[Outline]:
    """All objects of a file, none where it is empty. Raises SourceError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise SourceError(f"cannot read {path}", "mend or remove it") from fault
    return [_outline(line.split(), f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _outline(words: Sequence[str], where: str) -> Outline:
    """Raises SourceError that says ``where``."""
    try:
        numbers = [float(word) for word in words]
        fine = numbers[0].is_integer() and all(abs(number) < _LARGEST for number in numbers)
    except ValueError:
        fine = False
    if not fine:
        raise SourceError(f"{where}: not a class id and sensible numbers", "write: class cx cy w h")
    if len(numbers) in (5, 6):
        x, y, width, height = numbers[1:5]
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
        return Outline(int(numbers[0]), corners, True)
    if len(numbers) >= 7 and len(numbers) % 2:
        return Outline(int(numbers[0]), np.array(numbers[1:], np.float64).reshape(-1, 2), False)
    raise SourceError(
        f"{where}: {len(numbers)} numbers, neither a box nor a polygon",
        "write: class cx cy w h, or class x1 y1 x2 y2 …",
    )


def boxes_around(outlines: Iterable[Outline], width: int, height: int) -> Boxes:
    """The smallest upright box around each polygon, boxes as written; in pixels of a picture of this size."""
    found = list(outlines)
    scale = np.array([width, height], np.float64)
    corners = [(_ends(each) * scale).reshape(-1).tolist() for each in found]
    return Boxes.of(corners, [each.class_id for each in found])


def _ends(outline: Outline) -> NDArray[np.float64]:
    """float64 (2, 2): first and last corner. Those of a box are not sorted: a negative size is no area, not a box."""
    if outline.is_box:
        return outline.points[[0, 2]]
    return np.stack([outline.points.min(axis=0), outline.points.max(axis=0)])


def box_line(class_id: int, corners: Sequence[float], width: int, height: int) -> str:
    """One box (x1 y1 x2 y2 in pixels) as a line; eight digits bring it back to a thousandth of a pixel and less."""
    left, top, right, bottom = corners
    shares = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return " ".join([str(class_id), *(f"{share:.8f}" for share in shares)])
