"""Bilinear resizing, in two forms of the same arithmetic."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def resized(features: Tensor, like: Tensor, *, align_corners: bool) -> Tensor:
    """Features (B, C, h, w) at the height and width of ``like``."""
    return functional.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=align_corners)


def resized_by_matrices(features: Tensor, like: Tensor, *, align_corners: bool) -> Tensor:
    """The same as two matrix products: rows (H, h) · features (B, C, h, w) · columns (w, W); sizes are constants.

    For maps that go on to an arg-max over their channels: a product leaves them plane by plane, the order in which
    OpenVINO's arg-max is ten times as fast as in the order its resize leaves them.
    """
    rows, columns = (
        torch.from_numpy(interpolation(small, large, align_corners=align_corners))
        for small, large in zip(features.shape[-2:], like.shape[-2:], strict=True)
    )
    return rows @ (features @ columns.T)


def interpolation(small: int, large: int, *, align_corners: bool) -> NDArray[np.float32]:
    """The matrix (large, small) that resizes ``small`` samples linearly to ``large``.

    align_corners: the first and the last sample of both fall together; else the outer edges of their pixels do, and
    what lies outside the first and last centre repeats them.
    """
    index = np.arange(large)
    places = index * (small - 1) / max(large - 1, 1) if align_corners else (index + 0.5) * small / large - 0.5
    places = places.clip(0, small - 1)
    left = np.minimum(places.astype(np.intp), max(small - 2, 0))
    right = np.minimum(left + 1, small - 1)
    matrix = np.zeros((large, small), np.float32)
    np.add.at(matrix, (index, left), 1 - (places - left))
    np.add.at(matrix, (index, right), places - left)
    return matrix
