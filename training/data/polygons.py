"""Polygons as pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels


def inside(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Which pixels' centres lie inside a polygon by the even-odd rule: bool (height, width).

    points: float64 (N, 2), x y in pixels, closed by itself; pixel i covers [i, i + 1). Where edges cross the line
    through a row's centres, all pixels to the right change sides; the parity of the changes is the answer.
    """
    start, end = points, np.roll(points, -1, axis=0)
    upward = start[:, 1] > end[:, 1]
    low, high = np.where(upward[:, None], end, start), np.where(upward[:, None], start, end)
    first = np.clip(np.ceil(low[:, 1] - 0.5), 0, height).astype(np.int64)  # rows with low <= centre < high
    last = np.clip(np.ceil(high[:, 1] - 0.5), 0, height).astype(np.int64)
    edges = np.repeat(np.arange(len(points)), last - first)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[edges]
    slope = (high[edges] - low[edges])[:, 0] / (high[edges] - low[edges])[:, 1]
    crossing = low[edges, 0] + (rows + 0.5 - low[edges, 1]) * slope
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    changes = np.zeros((height, width + 1), np.int32)
    np.add.at(changes, (rows, columns), 1)
    return np.asarray(np.cumsum(changes, axis=1)[:, :width] % 2 == 1)


def class_map(
    shapes: Iterable[tuple[int, NDArray[np.float64]]], width: int, height: int, background: int = 0
) -> Pixels:
    """uint8 (height, width) of class ids; later polygons lie over earlier ones. Points as in ``inside``."""
    ids: Pixels = np.full((height, width), background, np.uint8)
    for class_id, points in shapes:
        ids[inside(points, width, height)] = class_id
    return ids
