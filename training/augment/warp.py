"""One affine map moves a picture, its boxes and its masks together, straight into the network's size.

Composed into one map, scale, shift, rotation, flip and fit cost one resampling and blur the picture once.
(albumentations' Affine keeps the picture's size, so it would need a crop and a second resampling.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.datasets.sample import UNCOUNTED, Sample

Matrix = NDArray[np.float64]
"""(3, 3), maps (x, y, 1) in continuous coordinates, as contracts/fit.py has them: pixel i covers [i, i+1)."""

VISIBLE = 0.25
"""Share of its area below which a box cut by the edge is no object to learn from, but no background either."""
SMALLEST = 2.0
"""Pixels, of a box's shorter side: what is smaller is not judged."""


def scaling(x: float, y: float) -> Matrix:
    """Scales around the origin."""
    return np.diag([x, y, 1.0])


def moving(x: float, y: float) -> Matrix:
    """Moves by so many pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turning(degrees: float) -> Matrix:
    """Turns around the origin, clockwise as seen in a picture."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def warped(sample: Sample, matrix: Matrix, size: tuple[int, int], pad: int) -> Sample:
    """The sample seen through ``matrix`` in a picture of ``size`` (width, height); ``pad`` and 255 where it is not."""
    boxes, kept, counts = _boxes(sample, matrix, size)
    return replace(
        sample,
        picture=_picture(sample.picture, matrix, size, pad),
        boxes=boxes,
        class_ids=sample.class_ids[kept],
        counts=counts,
        masks={head: _mask(mask, matrix, size) for head, mask in sample.masks.items()},
    )


def _picture(picture: Pixels, matrix: Matrix, size: tuple[int, int], pad: int) -> Pixels:
    """Bilinear; what shrinks to less than half is averaged first, as a run does: bilinear would skip pixels."""
    height, width = picture.shape[:2]
    horizontal, vertical = np.hypot(matrix[0, 0], matrix[1, 0]), np.hypot(matrix[0, 1], matrix[1, 1])
    if min(horizontal, vertical) <= 0.5:
        columns = max(round(width * min(horizontal, 1)), 1)
        rows = max(round(height * min(vertical, 1)), 1)
        picture = np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix @ scaling(width / columns, height / rows)
    return _resampled(picture, matrix, size, cv2.INTER_LINEAR, (pad, pad, pad))


def _mask(mask: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    return _resampled(mask, matrix, size, cv2.INTER_NEAREST, (UNCOUNTED,))


def _resampled(pixels: Pixels, matrix: Matrix, size: tuple[int, int], method: int, fill: tuple[int, ...]) -> Pixels:
    """OpenCV's coordinates lie half a pixel beside ours: it calls the centre of the first pixel 0, we 0.5."""
    indices = (moving(-0.5, -0.5) @ matrix @ moving(0.5, 0.5))[:2]
    moved = cv2.warpAffine(pixels, indices, size, flags=method, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    return np.asarray(moved, np.uint8)


def _boxes(
    sample: Sample, matrix: Matrix, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """(boxes clipped to the picture, which of the sample's they are, whether they count)."""
    corners = sample.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:2, :2].T + matrix[:2, 2]
    whole = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    clipped = np.clip(whole, 0, np.array([*size, *size]))
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = _area(clipped) >= VISIBLE * _area(whole)
    kept = (sides > 0).all(axis=1)
    counts = sample.counts & visible & (sides >= SMALLEST).all(axis=1)
    return clipped[kept].astype(np.float32), kept, counts[kept]


def _area(boxes: NDArray[Any]) -> NDArray[Any]:
    area: NDArray[Any] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
