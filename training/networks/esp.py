"""What TwinLiteNet and TwinLiteNet+ share: ESP units, the encoder made of them, and how two masks leave a network.

ESP: Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation" (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.card import HeadCard
from contracts.prediction import MaskRole
from training.blueprint import Blueprint
from training.networks.blocks import ConvNorm
from training.networks.network import Deployed

NORM_EPS = 1e-3
DILATIONS = (1, 2, 4, 8, 16)
CLASSES = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line")}
"""Head → class names, where a checkpoint says nothing else; the second one is what the mask shows."""
HEADS: tuple[MaskRole, ...] = ("drivable", "lane")


class Scores(NamedTuple):
    """Raw scores of both heads, float32 (B, 2, H, W) each: background, foreground; any sign, no softmax."""

    drivable: Tensor
    lane: Tensor


def mask_heads(blueprint: Blueprint) -> tuple[HeadCard, ...]:
    """The heads' cards: uint8 masks, one output tensor each, named as the head."""
    return tuple(
        HeadCard(name=head, kind="mask_ids", outputs=(head,), classes=blueprint.classes[head], role=head)
        for head in HEADS
    )


class SeparableConvolution(nn.Sequential):
    """Depthwise, then pointwise convolution, nothing between: (B, in, H, W) → (B, out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, kernel, padding=padding, dilation=dilation, groups=channels_in, bias=False
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)


class EspUnit(nn.Module):
    """Reduce, five dilated convolutions, their running sums, norm, PReLU: (B, in, H, W) → (B, out, H / s, W / s).

    stride s 2 (``down``): no way around; stride 1: the input is added. Every branch but the first has out // 5
    channels, the first has the rest. separable: depthwise and pointwise in place of each full convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, *, down: bool, separable: bool = False) -> None:
        super().__init__()
        narrow = channels_out // len(DILATIONS)
        widths = (channels_out - narrow * (len(DILATIONS) - 1), *[narrow] * (len(DILATIONS) - 1))
        self.residual = not down
        self.reduce: nn.Module
        if down:
            self.reduce = nn.Conv2d(channels_in, narrow, 3, 2, padding=1, bias=False)
        elif separable:
            self.reduce = SeparableConvolution(channels_in, narrow, 1)
        else:
            self.reduce = nn.Conv2d(channels_in, narrow, 1, bias=False)
        self.branches = nn.ModuleList(
            SeparableConvolution(narrow, width, 3, dilation)
            if separable
            else nn.Conv2d(narrow, width, 3, padding=dilation, dilation=dilation, bias=False)
            for width, dilation in zip(widths, DILATIONS, strict=True)
        )
        self.norm: nn.Module = nn.BatchNorm2d(channels_out, eps=NORM_EPS)
        self.activation = nn.PReLU(channels_out)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        reduced = self.reduce(features)
        first, *rest = [branch(reduced) for branch in self.branches]
        sums = [rest[0]]
        for addend in rest[1:]:
            sums.append(sums[-1] + addend)  # running sums: without them wide dilations leave a grid in the mask
        result = torch.cat([first, *sums], 1)
        if self.residual:
            result = features + result
        activated: Tensor = self.activation(self.norm(result))
        return activated


def conv_norm_prelu(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, *, eps: float = NORM_EPS
) -> ConvNorm:
    """A ConvNorm with a PReLU, one slope per channel."""
    return ConvNorm(channels_in, channels_out, kernel, stride, activation=nn.PReLU(channels_out), eps=eps)


class Doubling(nn.Sequential):
    """Transposed convolution 2×2, stride 2 (no overlap), norm, PReLU: (B, in, H, W) → (B, out, 2H, 2W)."""

    convolution: nn.ConvTranspose2d
    activation: nn.PReLU

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(channels_in, channels_out, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=NORM_EPS)
        self.activation = nn.PReLU(channels_out)


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Channels of the encoder: behind the stem, the first merge, the two ESP stages and the last merge.

    blocks: ESP blocks of the two stages. separable: in those blocks. eps: of the batch norms outside ESP units.
    """

    stem: int
    merged: int
    middle: int
    deep: int
    out: int
    blocks: tuple[int, int]
    separable: bool
    eps: float


class Features(NamedTuple):
    """deep: (B, out, H/8, W/8). half, quarter: the picture itself, averaged, (B, 3, H/2, W/2) and (B, 3, H/4, W/4)."""

    deep: Tensor
    half: Tensor
    quarter: Tensor


class EspEncoder(nn.Module):
    """Images float32 (B, 3, H, W) → Features at 1/8. The picture is fed in again at 1/2 and 1/4."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(3, 2, padding=1)  # zeros of the border count
        self.stem = conv_norm_prelu(3, shape.stem, 3, 2, eps=shape.eps)
        self.merge_half = conv_norm_prelu(shape.stem + 3, shape.merged, 3, eps=shape.eps)
        self.down_middle = EspUnit(shape.merged, shape.middle, down=True)
        self.middle = _blocks(shape.middle, shape.blocks[0], shape.separable)
        self.merge_quarter = conv_norm_prelu(2 * shape.middle + 3, 2 * shape.middle + 3, 3, eps=shape.eps)
        self.down_deep = EspUnit(2 * shape.middle + 3, shape.deep, down=True)
        self.deep = _blocks(shape.deep, shape.blocks[1], shape.separable)
        self.merge_deep = conv_norm_prelu(2 * shape.deep, shape.out, 3, eps=shape.eps)

    def forward(self, images: Tensor) -> Features:
        """Images in, features out."""
        half = self.shrink(images)  # (B, 3, H/2, W/2)
        quarter = self.shrink(half)  # (B, 3, H/4, W/4)
        merged = self.merge_half(torch.cat([self.stem(images), half], 1))  # (B, merged, H/2, W/2)
        first = self.down_middle(merged)  # (B, middle, H/4, W/4)
        merged = self.merge_quarter(torch.cat([self.middle(first), first, quarter], 1))
        first = self.down_deep(merged)  # (B, deep, H/8, W/8)
        return Features(self.merge_deep(torch.cat([first, self.deep(first)], 1)), half, quarter)


def _blocks(channels: int, count: int, separable: bool) -> nn.Sequential:
    return nn.Sequential(*[EspUnit(channels, channels, down=False, separable=separable) for _ in range(count)])


class PlainMasks(Deployed):
    """A network as its authors run it: scores of the heads wanted, float32 (B, 2, H, W) each."""

    def __init__(self, network: nn.Module, heads: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(heads)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images float32 (B, 3, H, W) → scores in the order of ``names``."""
        scores: Scores = self.network(images)
        return tuple(scores._asdict()[name] for name in self.names)
