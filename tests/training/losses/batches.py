"""Batches for the tests of losses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.batch import Batch


def grid(width: int, height: int, stride: int) -> torch.Tensor:
    """Centres of the cells of an input of that size: (P, 2)."""
    y, x = np.mgrid[0 : height // stride, 0 : width // stride]
    points = np.stack([x.ravel(), y.ravel()], 1) * stride + stride / 2
    return torch.from_numpy(points.astype(np.float32))


def batch_of(
    boxes: NDArray[np.floating] | list[list[float]],
    pictures: int = 1,
    picture_ids: list[int] | None = None,
    class_ids: list[int] | None = None,
    counts: list[bool] | None = None,
) -> Batch:
    """A batch with these boxes; what is not said: one picture, class 0, everything counts."""
    count = len(boxes)
    return Batch(
        images=torch.zeros((pictures, 3, 8, 8), dtype=torch.uint8),
        boxes=torch.tensor(np.asarray(boxes, np.float32).reshape(-1, 4)),
        class_ids=torch.tensor(class_ids or [0] * count, dtype=torch.int64),
        picture_ids=torch.tensor(picture_ids or [0] * count, dtype=torch.int64),
        counts=torch.tensor([True] * count if counts is None else counts, dtype=torch.bool),
        masks={},
        labels=torch.full((pictures,), -1),
    )


def random_boxes(rng: np.random.Generator, count: int, size: float, smallest: float = 2.0) -> NDArray[np.float32]:
    """Boxes of many sizes, some over the border: (count, 4)."""
    centre = rng.uniform(0, size, (count, 2))
    half = np.exp(rng.uniform(np.log(smallest), np.log(size), (count, 2))) / 2
    return np.concatenate([centre - half, centre + half], 1).astype(np.float32)
