"""Exact rewrites for export that TwinLiteNet and TwinLiteNet+ share. Their weights come from ``blocks.folded``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.blocks import ConvNorm
from training.networks.esp import Doubling, EspEncoder, EspUnit, Features, SeparableConvolution
from training.networks.negligible import without_dead_channels


class DeployedEncoder(nn.Module):
    """An EspEncoder whose first convolution makes the averaged picture too: no pooling, no copy to join the two.

    An average of 3×3 pixels is a convolution with weights of 1/9; behind a PReLU of slope 1 it stays what it is.
    """

    def __init__(self, encoder: EspEncoder) -> None:
        super().__init__()
        self.stem = _with_picture(encoder.stem)  # (B, stem + 3, H/2, W/2), the picture last
        channels = encoder.stem.convolution.out_channels + 3
        self.shrink = nn.Conv2d(channels, 3, 3, 2, padding=1, bias=False)
        self.shrink.weight = _constant(_averages(channels))
        self.merge_half = encoder.merge_half
        self.down_middle, self.middle = encoder.down_middle, encoder.middle
        self.merge_quarter = encoder.merge_quarter
        self.down_deep, self.deep = encoder.down_deep, encoder.deep
        self.merge_deep = encoder.merge_deep
        if isinstance(self.down_deep.reduce, nn.Conv2d):
            without_dead_channels(*_parts(self.merge_quarter), self.down_deep.reduce)
        for unit in (*self.middle, *self.deep):
            _join_pointwise(unit)

    def forward(self, images: Tensor) -> Features:
        """Images in, features out."""
        mixed = self.stem(images)
        quarter = self.shrink(mixed)
        first = self.down_middle(self.merge_half(mixed))
        merged = self.merge_quarter(torch.cat([self.middle(first), first, quarter], 1))
        first = self.down_deep(merged)
        return Features(self.merge_deep(torch.cat([first, self.deep(first)], 1)), mixed[:, -3:], quarter)


class MaskTail(nn.Module):
    """The end of a decoder, computed at half size: (B, in, H/2, W/2) → bool (B, H, W), 1 where the head sees its class.

    The patches of a 2×2 transposed convolution of stride 2 do not overlap: it is a 1×1 convolution to four times the
    channels, one per pixel of the patch. So is a 3×3 convolution behind it a 3×3 convolution on the patches. What is
    left to be spread over the full size are the bits.
    """

    def __init__(self, doubling: Doubling, refine: ConvNorm | None = None) -> None:
        super().__init__()
        layers = [_on_patches(doubling.convolution), _four_slopes(doubling.activation)]
        if refine is not None:
            convolution, activation = _parts(refine)
            layers += [_refine_on_patches(convolution), _four_slopes(activation)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, bits out; a tie is background."""
        scores = self.layers(features)  # (B, 2·4, H/2, W/2): class, row, column
        foreground: Tensor = scores[:, 4:] > scores[:, :4]  # (B, 4, H/2, W/2)
        height, width = foreground.shape[2:]
        patches = foreground.reshape(-1, 2, 2, height, width)
        return patches.permute(0, 3, 1, 4, 2).reshape(-1, 2 * height, 2 * width)


def _parts(block: ConvNorm) -> tuple[nn.Conv2d, nn.PReLU]:
    assert isinstance(block.activation, nn.PReLU)
    return block.convolution, block.activation


def _with_picture(stem: ConvNorm) -> nn.Sequential:
    convolution, activation = _parts(stem)
    assert convolution.bias is not None  # its norm is folded
    wide = nn.Conv2d(3, convolution.out_channels + 3, 3, 2, padding=1)
    wide.weight = _constant(torch.cat([convolution.weight, _averages(3)]))
    wide.bias = _constant(torch.cat([convolution.bias, torch.zeros(3)]))
    slopes = nn.PReLU(wide.out_channels)
    slopes.weight = _constant(torch.cat([activation.weight, torch.ones(3)]))
    return nn.Sequential(wide, slopes)


def _averages(channels: int) -> Tensor:
    """(3, channels, 3, 3): each of the last three channels averaged over 3×3."""
    weights = torch.zeros(3, channels, 3, 3)
    for colour in range(3):
        weights[colour, channels - 3 + colour] = 1 / 9
    return weights


def _join_pointwise(unit: EspUnit) -> None:
    """A depthwise 1×1 convolution only scales channels: the pointwise one behind it can do that."""
    if isinstance(unit.reduce, SeparableConvolution):
        scales, pointwise = unit.reduce.depthwise.weight, unit.reduce.pointwise
        pointwise.weight = _constant(pointwise.weight * scales.reshape(1, -1, 1, 1))
        unit.reduce = pointwise


def _on_patches(transposed: nn.ConvTranspose2d) -> nn.Conv2d:
    """A 2×2 transposed convolution of stride 2 as a 1×1 one; its outputs in the order channel, row, column."""
    assert transposed.bias is not None  # its norm is folded
    channels_in, channels_out = transposed.weight.shape[:2]
    result = nn.Conv2d(channels_in, 4 * channels_out, 1)
    result.weight = _constant(transposed.weight.permute(1, 2, 3, 0).reshape(4 * channels_out, channels_in, 1, 1))
    result.bias = _constant(transposed.bias.repeat_interleave(4))
    return result


def _refine_on_patches(convolution: nn.Conv2d) -> nn.Conv2d:
    """A 3×3 convolution (stride 1, padding 1) as one on 2×2 patches: channels in and out are channel, row, column."""
    assert convolution.bias is not None  # its norm is folded
    channels_out, channels_in = convolution.weight.shape[:2]
    weights = torch.zeros(channels_out, 2, 2, channels_in, 2, 2, 3, 3)
    for row in range(2):
        for column in range(2):
            for tap_row in range(3):
                for tap_column in range(3):
                    # The pixel this tap reads: which patch (0 … 2, 1 is the own one), where in it.
                    patch_row, inner_row = divmod(row + tap_row + 1, 2)
                    patch_column, inner_column = divmod(column + tap_column + 1, 2)
                    tap = convolution.weight[:, :, tap_row, tap_column]
                    weights[:, row, column, :, inner_row, inner_column, patch_row, patch_column] = tap
    result = nn.Conv2d(4 * channels_in, 4 * channels_out, 3, padding=1)
    result.weight = _constant(weights.reshape(4 * channels_out, 4 * channels_in, 3, 3))
    result.bias = _constant(convolution.bias.repeat_interleave(4))
    return result


def _four_slopes(activation: nn.PReLU) -> nn.PReLU:
    result = nn.PReLU(4 * activation.num_parameters)
    result.weight = _constant(activation.weight.repeat_interleave(4))
    return result


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().contiguous(), requires_grad=False)
