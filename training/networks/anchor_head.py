"""AnchorHead: boxes relative to three anchors per cell of three levels, as YOLOv5 and YOLOP have it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
"""Pixels of the input per cell of each level."""
Anchors = tuple[tuple[int, ...], ...]
"""Per level: width, height, width, height … of its three anchors, in pixels of the input."""


class AnchorHead(nn.Module):
    """One 1×1 convolution per level: features → raw (B, 3, h, w, 5 + C), x, y, width, height, objectness, classes.

    The anchors are part of the state (buffer ``anchors`` (3, 3, 2), in cells of their level): those a network was
    trained with may be its own.
    """

    anchors: Tensor

    def __init__(self, channels: Sequence[int], classes: int, anchors: Anchors) -> None:
        super().__init__()
        cells = torch.tensor(anchors, dtype=torch.float32).reshape(3, 3, 2) / torch.tensor(STRIDES).reshape(3, 1, 1)
        self.register_buffer("anchors", cells)
        self.values = 5 + classes
        self.levels = nn.ModuleList(nn.Conv2d(count, 3 * self.values, 1) for count in channels)
        self._expect_little()

    def _expect_little(self) -> None:
        """Fresh biases say: eight objects per anchor in a picture of 640×640, classes alike (arXiv:1708.02002, 3.3)."""
        classes = self.values - 5
        for level, stride in zip(self.levels, STRIDES, strict=True):
            assert isinstance(level, nn.Conv2d)
            assert level.bias is not None
            with torch.no_grad():
                biases = level.bias.view(3, self.values)
                biases[:, 4] += math.log(8 / (640 / stride) ** 2)
                biases[:, 5:] += math.log(0.6 / (classes - 0.99999))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features of 1/8, 1/16, 1/32 → raw values of each, (B, 3, h, w, 5 + C)."""
        return tuple(
            level(seen).unflatten(1, (3, self.values)).permute(0, 1, 3, 4, 2)
            for level, seen in zip(self.levels, features, strict=True)
        )

    def decode(self, raw: Sequence[Tensor]) -> Tensor:
        """Raw values → (B, N, 5 + C): centre and size in pixels of the input, objectness, class scores.

        With s = sigmoid: centre = (2s - 0.5 + cell) × stride, size = (2s)² × anchor. Order: level, anchor, row, column.
        """
        return torch.cat([self._decoded(level, values) for level, values in enumerate(raw)], 1)

    def deployed(self) -> DecodedAnchors:
        """Features → decoded boxes, for export."""
        return DecodedAnchors(self)

    def _decoded(self, level: int, raw: Tensor) -> Tensor:
        stride = STRIDES[level]
        height, width = raw.shape[2:4]
        x, y = (_corners(count, level, raw) for count in (width, height))
        corners = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)  # (h, w, 2)
        shares = raw.sigmoid()
        centre = shares[..., :2] * 2 * stride + corners
        size = (shares[..., 2:4] * 2) ** 2 * (self.anchors[level] * stride).reshape(3, 1, 1, 2)
        return torch.cat([centre, size, shares[..., 4:]], 4).flatten(1, 3)


class DecodedAnchors(nn.Module):
    """An AnchorHead and its ``decode`` in one: features → (B, N, 5 + C).

    With s = sigmoid, every value is s·(a + b·s) + corner: for centres a is 2 × stride, for sizes b is 4 × anchor, for
    scores a is 1. So nothing is cut up and joined again, and channels stay last as OpenVINO's convolutions give them:
    a third less time behind the convolutions. Equal to ``decode`` up to float rounding (1e-4 of a pixel).
    """

    linear: Tensor
    square: Tensor

    def __init__(self, head: AnchorHead) -> None:
        super().__init__()
        self.levels = head.levels
        self.values = head.values
        strides = torch.tensor(STRIDES, dtype=torch.float32).reshape(3, 1, 1)
        linear, square = torch.ones(3, 3, head.values), torch.zeros(3, 3, head.values)
        linear[..., :2], linear[..., 2:4] = 2 * strides, 0
        square[..., 2:4] = 4 * head.anchors.detach() * strides
        self.register_buffer("linear", linear)
        self.register_buffer("square", square)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features of 1/8, 1/16, 1/32 → boxes."""
        return torch.cat([self._decoded(level, seen) for level, seen in enumerate(features)], 1)

    def _decoded(self, level: int, features: Tensor) -> Tensor:
        raw = self.levels[level](features).permute(0, 2, 3, 1)  # (B, h, w, 3 · values)
        shares = raw.unflatten(3, (3, self.values)).sigmoid()
        height, width = features.shape[2:]
        x = functional.pad(_corners(width, level, features)[:, None, None], (0, self.values - 1))  # (w, 1, 5 + C)
        y = functional.pad(_corners(height, level, features)[:, None, None, None], (1, self.values - 2))
        boxes: Tensor = shares * (self.linear[level] + self.square[level] * shares) + x + y  # (B, h, w, 3, 5 + C)
        return boxes.permute(0, 3, 1, 2, 4).flatten(1, 3)


def _corners(count: int, level: int, like: Tensor) -> Tensor:
    """Where the range of centres of each cell in a row begins, in pixels of the input: (count,)."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) - 0.5) * STRIDES[level]
