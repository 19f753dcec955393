"""Deep aggregation pyramid pooling (DAPPM), DDRNet's context module: Hong et al. 2021, arXiv:2101.06085, Fig. 4."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from training.networks.bilinear import resized

_POOLS = ((5, 2), (9, 4), (17, 8))
"""(kernel, stride) of the average pools between the map itself and its global mean; padded by the stride."""


def norm_conv(channels_in: int, channels_out: int, kernel: int = 1) -> nn.Sequential:
    """Batch norm → ReLU → convolution without bias: the norm comes first, so it cannot be folded into it."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(
        OrderedDict(norm=nn.BatchNorm2d(channels_in), relu=nn.ReLU(inplace=True), convolution=convolution)
    )


class PyramidPooling(nn.Module):
    """(B, in, h, w) → (B, out, h, w): the map at five scales, each added to the one before and smoothed.

    channels: of each scale. align_corners: how the coarse scales are brought back to (h, w).
    """

    def __init__(self, channels_in: int, channels: int, channels_out: int, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.pools = nn.ModuleList(nn.AvgPool2d(kernel, stride, padding=stride) for kernel, stride in _POOLS)
        self.scales = nn.ModuleList(norm_conv(channels_in, channels) for _ in range(len(_POOLS) + 2))
        self.merges = nn.ModuleList(norm_conv(channels, channels, 3) for _ in range(len(_POOLS) + 1))
        self.compression = norm_conv(channels * (len(_POOLS) + 2), channels_out)
        self.shortcut = norm_conv(channels_in, channels_out)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features with the context of the whole picture out."""
        coarse = [
            resized(scale(pool(features)), features, align_corners=self.align_corners)
            for pool, scale in zip(self.pools, self.scales[1:-1], strict=True)
        ]
        # One value per channel: adding it to a map is what resizing it to the map's size and adding that would be.
        coarse.append(self.scales[-1](features.mean((2, 3), keepdim=True)))
        merged = [self.scales[0](features)]  # (B, channels, h, w) each
        for merge, scale in zip(self.merges, coarse, strict=True):
            merged.append(merge(scale + merged[-1]))
        result: Tensor = self.compression(torch.cat(merged, 1)) + self.shortcut(features)
        return result
