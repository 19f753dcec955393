"""What the networks on a YOLOv8 backbone share: scales, C2f, SPPF, backbone, path aggregation, box decoding.

Jocher, Chaurasia, Qiu: "Ultralytics YOLOv8", 2023 (C2f, decoupled anchor-free head); the pooling is SPP of He et al.
2015, the neck PANet of Liu et al. 2018, the distances to a box's sides are distributions (DFL, Li et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.blocks import ConvNorm
from training.networks.rewrites import SummedPointwise

STRIDES = (8, 16, 32)
"""Input pixels per cell of the three levels that boxes come from."""
BINS = 16
"""A distance is the expectation over 0 … 15 cells."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Compound scaling: factors for repeats and channels; ``ceiling`` bounds channels before they are scaled."""

    depth: float
    width: float
    ceiling: int = 1024

    def channels(self, full: int) -> int:
        """Channels at this scale, a multiple of 8 and never fewer than asked for."""
        return int(-(-min(full, self.ceiling) * self.width // 8) * 8)

    def repeats(self, full: int) -> int:
        """Bottlenecks of a C2f at this scale, at least one."""
        return max(round(full * self.depth), 1)


SCALES = {"n": Scale(0.33, 0.25), "s": Scale(0.33, 0.50), "m": Scale(0.67, 0.75, 768)}
"""The scales that every family on this backbone has."""


def unit(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> ConvNorm:
    """Convolution, batch norm (eps 1e-3), SiLU: the convolution all these networks are made of."""
    return ConvNorm(channels_in, channels_out, kernel, stride, activation=nn.SiLU())


class Bottleneck(nn.Module):
    """Two 3×3 units, with the input added where ``residual``: (B, C, H, W) → the same."""

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.first = unit(channels, channels, 3)
        self.second = unit(channels, channels, 3)
        self.residual = residual

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        result: Tensor = self.second(self.first(features))
        return features + result if self.residual else result


class C2f(nn.Module):
    """Cross-stage partial block: one half goes through bottlenecks, each result kept: (B, in, H, W) → (B, out, H, W).

    ``enter`` and ``rest`` apart: what comes before ``enter`` can be joined with it at export.
    """

    def __init__(self, channels_in: int, channels_out: int, repeats: int, *, residual: bool = False) -> None:
        super().__init__()
        half = channels_out // 2
        self.enter = unit(channels_in, 2 * half)
        self.bottlenecks = nn.ModuleList(Bottleneck(half, residual=residual) for _ in range(repeats))
        self.leave = unit((2 + repeats) * half, channels_out)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        return self.rest(self.enter(features))

    def rest(self, entered: Tensor) -> Tensor:
        """Everything behind ``enter``: (B, out, H, W) → (B, out, H, W)."""
        parts = list(entered.chunk(2, dim=1))
        for bottleneck in self.bottlenecks:
            parts.append(bottleneck(parts[-1]))
        result: Tensor = self.leave(torch.cat(parts, dim=1))
        return result


class SPPF(nn.Module):
    """Spatial pyramid pooling as three 5×5 maxima in a row (5, 9 and 13 wide): (B, C, H, W) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = unit(channels, channels // 2)
        self.leave = unit(channels // 2 * 4, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        parts = [self.enter(features)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, stride=1, padding=2))
        result: Tensor = self.leave(torch.cat(parts, dim=1))
        return result


class Stage(nn.Module):
    """Half the size, then a C2f: (B, in, H, W) → (B, out, H/2, W/2)."""

    def __init__(self, channels_in: int, channels_out: int, repeats: int) -> None:
        super().__init__()
        self.down = unit(channels_in, channels_out, 3, 2)
        self.mix = C2f(channels_out, channels_out, repeats, residual=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        result: Tensor = self.mix(self.down(features))
        return result


class Levels(NamedTuple):
    """The backbone's features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's size."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor
    thirtysecond: Tensor


class Backbone(nn.Module):
    """Images (B, 3, H, W) → Levels; H and W are multiples of 32."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        widths = level_channels(scale)
        repeats = [scale.repeats(full) for full in (3, 6, 6, 3)]
        self.stem = unit(3, widths[0], 3, 2)
        self.stage2 = Stage(widths[0], widths[1], repeats[0])
        self.stage3 = Stage(widths[1], widths[2], repeats[1])
        self.stage4 = Stage(widths[2], widths[3], repeats[2])
        self.stage5 = Stage(widths[3], widths[4], repeats[3])
        self.pool = SPPF(widths[4])

    def forward(self, images: Tensor) -> Levels:
        """Images in, features out."""
        half = self.stem(images)  # (B, c1, H/2, W/2)
        quarter = self.stage2(half)
        eighth = self.stage3(quarter)
        sixteenth = self.stage4(eighth)
        return Levels(half, quarter, eighth, sixteenth, self.pool(self.stage5(sixteenth)))


def level_channels(scale: Scale) -> tuple[int, int, int, int, int]:
    """Channels of the five ``Levels``."""
    a, b, c, d, e = (scale.channels(full) for full in (64, 128, 256, 512, 1024))
    return a, b, c, d, e


class Join(nn.Module):
    """Two maps, the coarse one upsampled where ``factor`` is 2, concatenated, through a C2f.

    forward: (B, coarse, H/factor, W/factor), (B, fine, H, W) → (B, out, H, W).
    """

    def __init__(self, coarse: int, fine: int, channels_out: int, repeats: int, *, factor: int) -> None:
        super().__init__()
        self.channels = (coarse, fine)
        self.factor = factor
        self.mix = C2f(coarse + fine, channels_out, repeats)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features in, features out."""
        result: Tensor = self.mix(torch.cat([upsampled(coarse, self.factor), fine], dim=1))
        return result


def upsampled(features: Tensor, factor: int) -> Tensor:
    """Every pixel ``factor`` × ``factor`` times."""
    return functional.interpolate(features, scale_factor=factor, mode="nearest") if factor > 1 else features


class SplitJoin(nn.Module):
    """A Join whose first convolution, given as ``enter``, works on each map at its own size before they are summed."""

    def __init__(self, join: Join, enter: nn.Conv2d) -> None:
        super().__init__()
        self.enter = SummedPointwise(enter, join.channels, (join.factor, 1))
        self.activation = join.mix.enter.activation
        self.mix = join.mix

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features in, features out."""
        return self.mix.rest(self.activation(self.enter(coarse, fine)))


def deploy_joins(network: nn.Module) -> None:
    """Puts a SplitJoin in place of every folded Join that upsamples (without that it is no faster)."""
    for name, module in list(network.named_modules()):
        if isinstance(module, Join) and module.factor > 1:
            network.set_submodule(name, SplitJoin(module, module.mix.enter.convolution))


class PathAggregation(nn.Module):
    """Levels → the three maps that boxes come from, at 1/8, 1/16 and 1/32."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        _, _, c3, c4, c5 = level_channels(scale)
        repeats = scale.repeats(3)
        self.up4 = Join(c5, c4, c4, repeats, factor=2)
        self.up3 = Join(c4, c3, c3, repeats, factor=2)
        self.down4 = unit(c3, c3, 3, 2)
        self.out4 = Join(c3, c4, c4, repeats, factor=1)
        self.down5 = unit(c4, c4, 3, 2)
        self.out5 = Join(c4, c5, c5, repeats, factor=1)

    def forward(self, levels: Levels) -> tuple[Tensor, Tensor, Tensor]:
        """Features in, features out."""
        up4 = self.up4(levels.thirtysecond, levels.sixteenth)
        out3 = self.up3(up4, levels.eighth)
        out4 = self.out4(self.down4(out3), up4)
        out5 = self.out5(self.down5(out4), levels.thirtysecond)
        return out3, out4, out5


class Branch(nn.ModuleList):
    """One thing predicted at every cell: per level two 3×3 units and a 1×1 convolution → (B, outputs, h, w)."""

    def __init__(self, channels: Sequence[int], middle: int, outputs: int) -> None:
        super().__init__(
            nn.Sequential(unit(wide, middle, 3), unit(middle, middle, 3), nn.Conv2d(middle, outputs, 1))
            for wide in channels
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """One map per level in, one out."""
        return [level(one) for level, one in zip(self, features, strict=True)]


def decoded(distances: Sequence[Tensor]) -> Tensor:
    """Distances (B, 4 × 16, h, w) per level → boxes (B, 4, N), centre and size in input pixels.

    The four distances (left, top, right, bottom of the cell's centre, in cells) are expectations over their bins.
    """
    bins = torch.arange(BINS, dtype=torch.float32, device=distances[0].device)
    boxes = []
    for level, stride in zip(distances, STRIDES, strict=True):
        likely = level.reshape(-1, 4, BINS, level.shape[2] * level.shape[3]).softmax(dim=2)  # (B, 4, 16, h·w)
        sides = (likely * bins[:, None]).sum(dim=2)  # (B, 4, h·w)
        before, after = sides[:, :2], sides[:, 2:]
        centre = cell_centres(level) + (after - before) / 2
        boxes.append(torch.cat([centre, before + after], dim=1) * stride)
    return torch.cat(boxes, dim=2)


def cell_centres(level: Tensor) -> Tensor:
    """Centres of a level's cells: (2, h·w), x and y in cells, row by row."""
    height, width = level.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=level.device) + 0.5,
        torch.arange(width, dtype=torch.float32, device=level.device) + 0.5,
        indexing="ij",
    )
    return torch.stack([x.flatten(), y.flatten()])
