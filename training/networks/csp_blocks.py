"""Blocks and body that YOLOv5 and YOLOP share: cross-stage partial networks, a feature pyramid up and down again.

CSPNet: Wang et al., arXiv:1911.11929. Path aggregation: Liu et al., arXiv:1803.01534. Pooling pyramid: He et al.,
arXiv:1406.4729. Comments give channels and size for the width of YOLOv5s and YOLOP; 1/8 is height and width / 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.networks.blocks import ConvNorm

Activation = Callable[[], nn.Module]

_EPS = 1e-3


class Stem(ConvNorm):
    """The first convolution, 6×6 with stride 2: (B, 3, H, W) → (B, out, H / 2, W / 2).

    The same as "Focus" of YOLOP and of YOLOv5 before 6.0 (the four pixels of each 2×2 cell side by side as 12
    channels, then 3×3): the same sums of the same pixels, zero padding included. Their weights are only ordered
    differently; ``training.foreign.csp_keys`` does that.
    """

    def __init__(self, channels_out: int, activation: Activation) -> None:
        super().__init__(3, channels_out, 3, 2, activation=activation(), eps=_EPS)
        self.convolution = nn.Conv2d(3, channels_out, 6, 2, padding=2, bias=False)


class Bottleneck(nn.Module):
    """1×1, then 3×3, all of as many channels as come in; residual: plus what came in."""

    def __init__(self, channels: int, *, residual: bool, activation: Activation) -> None:
        super().__init__()
        self.reduce = ConvNorm(channels, channels, activation=activation())
        self.convolution = ConvNorm(channels, channels, 3, activation=activation())
        self.residual = residual

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        seen: Tensor = self.convolution(self.reduce(features))
        return features + seen if self.residual else seen


class CrossStage(nn.Module):
    """YOLOv5's stage ("C3"): half of the channels through bottlenecks, half past them, joined by a 1×1."""

    def __init__(
        self, channels_in: int, channels_out: int, repeats: int, *, residual: bool, activation: Activation
    ) -> None:
        super().__init__()
        half = channels_out // 2
        self.inner = ConvNorm(channels_in, half, activation=activation())
        self.blocks = _bottlenecks(half, repeats, residual=residual, activation=activation)
        self.outer = ConvNorm(channels_in, half, activation=activation())
        self.join = ConvNorm(2 * half, channels_out, activation=activation())

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, h, w) → (B, out, h, w)."""
        result: Tensor = self.join(torch.cat([self.blocks(self.inner(features)), self.outer(features)], 1))
        return result


class NormedCrossStage(nn.Module):
    """YOLOP's stage ("BottleneckCSP"): as CrossStage, but both halves end linear and share one norm and LeakyReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, repeats: int, *, residual: bool, activation: Activation
    ) -> None:
        super().__init__()
        half = channels_out // 2
        self.inner = ConvNorm(channels_in, half, activation=activation())
        self.blocks = _bottlenecks(half, repeats, residual=residual, activation=activation)
        self.inner_end = nn.Conv2d(half, half, 1, bias=False)
        self.outer = nn.Conv2d(channels_in, half, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(2 * half, eps=_EPS)
        self.activation = nn.LeakyReLU(0.1)
        self.join = ConvNorm(2 * half, channels_out, activation=activation())

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, h, w) → (B, out, h, w)."""
        halves = torch.cat([self.inner_end(self.blocks(self.inner(features))), self.outer(features)], 1)
        result: Tensor = self.join(self.activation(self.norm(halves)))
        return result

    def fold_norm(self) -> None:
        """Makes the shared norm, in eval mode, part of the two convolutions before it. Exact up to float rounding."""
        if isinstance(self.norm, nn.BatchNorm2d):
            half = self.norm.num_features // 2
            self.inner_end = fuse_conv_bn_eval(self.inner_end, _part(self.norm, slice(None, half)))
            self.outer = fuse_conv_bn_eval(self.outer, _part(self.norm, slice(half, None)))
            self.norm = nn.Identity()


class PoolingPyramid(nn.Module):
    """1×1, maxima over 5×5, 9×9 and 13×13, all four joined by a 1×1 ("SPP", "SPPF": the same numbers).

    A 5×5 maximum of a 5×5 maximum is a 9×9 one, a third makes 13×13.
    """

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.reduce = ConvNorm(channels, channels // 2, activation=activation())
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = ConvNorm(channels * 2, channels, activation=activation())

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        levels = [self.reduce(features)]
        for _ in range(3):
            levels.append(self.pool(levels[-1]))
        result: Tensor = self.join(torch.cat(levels, 1))
        return result


class Stage(Protocol):
    """CrossStage or NormedCrossStage."""

    def __call__(
        self, channels_in: int, channels_out: int, repeats: int, *, residual: bool, activation: Activation
    ) -> nn.Module:
        """A stage that keeps height and width."""


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """What tells one body from another.

    channels: at 1/2, 1/4, 1/8, 1/16, 1/32. repeats: bottlenecks of the four backbone stages. neck_repeats: of the
    others. pooling_first: the pooling pyramid comes before the last backbone stage, which is then not residual.
    """

    channels: tuple[int, int, int, int, int]
    repeats: tuple[int, int, int, int]
    neck_repeats: int
    pooling_first: bool
    stage: Stage
    activation: Activation


class Features(NamedTuple):
    """What a body gives. shallow: (B, 256, 1/8), joined but not yet worked on; YOLOP's areas start there."""

    fine: Tensor  # (B, 128, H/8, W/8)
    middle: Tensor  # (B, 256, H/16, W/16)
    coarse: Tensor  # (B, 512, H/32, W/32)
    shallow: Tensor


class Body(nn.Module):
    """Backbone to 1/32, up to 1/8 and down again, joined with what was seen at the same size: images → Features."""

    def __init__(self, plan: BodyPlan) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, last = plan.channels
        first, second, third, fourth = plan.repeats
        self.pooling_first = plan.pooling_first
        self.stem = Stem(half, plan.activation)
        self.down4, self.stage4 = _down(half, quarter, plan), _stage(quarter, quarter, first, plan, residual=True)
        self.down8, self.stage8 = _down(quarter, eighth, plan), _stage(eighth, eighth, second, plan, residual=True)
        self.down16 = _down(eighth, sixteenth, plan)
        self.stage16 = _stage(sixteenth, sixteenth, third, plan, residual=True)
        self.down32 = _down(sixteenth, last, plan)
        self.stage32 = _stage(last, last, fourth, plan, residual=not plan.pooling_first)
        self.pooling = PoolingPyramid(last, plan.activation)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        repeats = plan.neck_repeats
        self.reduce32 = ConvNorm(last, sixteenth, activation=plan.activation())
        self.up16 = _stage(2 * sixteenth, sixteenth, repeats, plan)
        self.reduce16 = ConvNorm(sixteenth, eighth, activation=plan.activation())
        self.fine = _stage(2 * eighth, eighth, repeats, plan)
        self.again16, self.middle = _down(eighth, eighth, plan), _stage(2 * eighth, sixteenth, repeats, plan)
        self.again32, self.coarse = _down(sixteenth, sixteenth, plan), _stage(2 * sixteenth, last, repeats, plan)

    def forward(self, images: Tensor) -> Features:
        """(B, 3, H, W) → Features; H and W are multiples of 32."""
        seen8 = self.stage8(self.down8(self.stage4(self.down4(self.stem(images)))))  # (B, 128, 1/8)
        seen16 = self.stage16(self.down16(seen8))  # (B, 256, 1/16)
        seen32 = self.down32(seen16)  # (B, 512, 1/32)
        seen32 = self.stage32(self.pooling(seen32)) if self.pooling_first else self.pooling(self.stage32(seen32))
        reduced32 = self.reduce32(seen32)  # (B, 256, 1/32)
        reduced16 = self.reduce16(self.up16(torch.cat([self.upsample(reduced32), seen16], 1)))  # (B, 128, 1/16)
        shallow = torch.cat([self.upsample(reduced16), seen8], 1)  # (B, 256, 1/8)
        fine = self.fine(shallow)  # (B, 128, 1/8)
        middle = self.middle(torch.cat([self.again16(fine), reduced16], 1))  # (B, 256, 1/16)
        coarse = self.coarse(torch.cat([self.again32(middle), reduced32], 1))  # (B, 512, 1/32)
        return Features(fine, middle, coarse, shallow)


def _bottlenecks(channels: int, repeats: int, *, residual: bool, activation: Activation) -> nn.Sequential:
    return nn.Sequential(*(Bottleneck(channels, residual=residual, activation=activation) for _ in range(repeats)))


def _down(channels_in: int, channels_out: int, plan: BodyPlan) -> ConvNorm:
    return ConvNorm(channels_in, channels_out, 3, 2, activation=plan.activation())


def _stage(channels_in: int, channels_out: int, repeats: int, plan: BodyPlan, *, residual: bool = False) -> nn.Module:
    return plan.stage(channels_in, channels_out, repeats, residual=residual, activation=plan.activation)


def _part(norm: nn.BatchNorm2d, channels: slice) -> nn.BatchNorm2d:
    """The norm of some of the channels, in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    part = nn.BatchNorm2d(len(norm.weight[channels]), eps=norm.eps).eval()
    part.load_state_dict(
        {
            "weight": norm.weight[channels],
            "bias": norm.bias[channels],
            "running_mean": norm.running_mean[channels],
            "running_var": norm.running_var[channels],
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return part
