"""How well boxes overlap, row by row, so that it can be learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EPS = 1e-7
"""Keeps quotients of boxes without area finite."""


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of row i of one with row i of the other: float (N, 4) twice, x1 y1 x2 y2 → (N,)."""
    near = torch.maximum(first[:, :2], second[:, :2])
    far = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (far - near).clamp(min=0).prod(1)
    return shared / (_area(first) + _area(second) - shared + _EPS)


def complete_iou(found: Tensor, truth: Tensor) -> Tensor:
    """CIoU, −1.5 … 1, row by row: (N, 4) twice, x1 y1 x2 y2 → (N,).

    IoU − (distance of the centres / diagonal of the box around both)² − αv, where v compares the proportions and
    α = v / (1 − IoU + v) is held constant. Zheng et al.: Distance-IoU Loss, AAAI 2020, arXiv:1911.08287.
    """
    overlap = iou(found, truth)
    around = torch.maximum(found[:, 2:], truth[:, 2:]) - torch.minimum(found[:, :2], truth[:, :2])
    apart = (found[:, :2] + found[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2
    distance = apart.square().sum(1) / (around.square().sum(1) + _EPS)
    unlike = (4 / math.pi**2) * (_proportion(truth) - _proportion(found)).square()
    with torch.no_grad():
        share = unlike / (1 - overlap + unlike + _EPS)
    return overlap - distance - share * unlike


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _proportion(boxes: Tensor) -> Tensor:
    """The angle of the diagonal."""
    size = boxes[:, 2:] - boxes[:, :2]
    return torch.atan(size[:, 0] / (size[:, 1] + _EPS))
