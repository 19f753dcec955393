"""Polygons as pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels


def inside(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Which pixels' centres lie inside a polygon by the even-odd rule: bool (height, width).

    points: float64 (N, 2), x y in pixels, closed by itself; pixel i covers [i, i + 1).
    """
    whole = np.zeros((height, width), np.bool_)
    rows, columns = _window(points, width, height)
    whole[rows, columns] = _inside(points, rows, columns)
    return whole


def class_map(
    shapes: Iterable[tuple[int, NDArray[np.float64]]], width: int, height: int, background: int = 0
) -> Pixels:
    """uint8 (height, width) of class ids; later polygons lie over earlier ones. Points as in ``inside``."""
    ids: Pixels = np.full((height, width), background, np.uint8)
    for class_id, points in shapes:
        rows, columns = _window(points, width, height)
        ids[rows, columns][_inside(points, rows, columns)] = class_id
    return ids


def _window(points: NDArray[np.float64], width: int, height: int) -> tuple[slice, slice]:
    """(rows, columns) of the picture outside of which nothing of the polygon lies."""
    limits = np.array([width, height])
    first = np.clip(np.floor(points.min(axis=0)), 0, limits).astype(int)
    last = np.clip(np.ceil(points.max(axis=0)), 0, limits).astype(int)
    return slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))


def _inside(points: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.bool_]:
    """``inside`` for a window.

    Where an edge crosses the line through a row's centres, all pixels to the right change sides; the parity of the
    changes is the answer.
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    start = points - (columns.start, rows.start)
    end = np.roll(start, -1, axis=0)
    upward = start[:, 1] > end[:, 1]
    low, high = np.where(upward[:, None], end, start), np.where(upward[:, None], start, end)
    first = np.clip(np.ceil(low[:, 1] - 0.5), 0, height).astype(np.int64)  # rows with low <= centre < high
    last = np.clip(np.ceil(high[:, 1] - 0.5), 0, height).astype(np.int64)
    number = last - first
    edges = np.repeat(np.arange(len(points)), number)
    crossed = np.arange(len(edges)) - np.repeat(np.cumsum(number) - number, number) + first[edges]
    slope = (high[edges] - low[edges])[:, 0] / (high[edges] - low[edges])[:, 1]
    crossing = low[edges, 0] + (crossed + 0.5 - low[edges, 1]) * slope
    changes = np.zeros((height, width + 1), np.int32)
    np.add.at(changes, (crossed, np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)), 1)
    return np.asarray(np.cumsum(changes, axis=1)[:, :width] % 2 == 1)
