"""TwinLiteNet (Che et al. 2023): drivable area and lane lines from one small network.

"TwinLiteNet: An Efficient and Lightweight Model for Driveable Area and Lane Segmentation in Self-Driving Cars".
An ESP encoder down to 1/8, two attentions side by side (over positions, over channels), and two decoders of three
transposed convolutions each. 439,633 parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks.blocks import folded
from training.networks.esp import (
    HEADS,
    Doubling,
    EncoderShape,
    EspEncoder,
    PlainMasks,
    Scores,
    conv_norm_prelu,
    mask_heads,
)
from training.networks.esp_deployed import DeployedEncoder, MaskTail
from training.networks.negligible import NEGLIGIBLE, without_dead_channels, without_dust
from training.networks.network import Deployed, Family, Network

SHAPE = EncoderShape(stem=16, merged=19, middle=64, deep=128, out=32, blocks=(2, 3), separable=False, eps=1e-3)


class PositionAttention(nn.Module):
    """Every position looks at every other one (Fu et al., "Dual Attention Network", 2019): (B, C, H, W) → the same.

    Costs (H·W)² products. ``gain`` 0: the input comes out unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        query, key = self.query(features).flatten(2), self.key(features).flatten(2)  # (B, C/8, HW)
        weights = torch.softmax(query.transpose(1, 2) @ key, -1)  # (B, HW, HW): rows are who looks
        seen = self.value(features).flatten(2) @ weights.transpose(1, 2)  # (B, C, HW)
        result: Tensor = self.gain * seen.reshape(features.shape) + features
        return result

    @property
    def is_idle(self) -> bool:
        """Whether the gain is so small that float32 loses what is added to features of size one.

        The weights of a row sum to 1, so what is seen is no larger than the largest value: |W|·|features| + |b|.
        """
        largest = self.value.weight.abs().flatten(1).sum(1)
        if self.value.bias is not None:
            largest = largest + self.value.bias.abs()
        return bool(self.gain.abs() * largest.max() <= NEGLIGIBLE)


class ChannelAttention(nn.Module):
    """Every channel looks at those least like it: (B, C, H, W) → the same; weights softmax(max(E) - E), E = X·Xᵀ."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        flat = features.flatten(2)  # (B, C, HW)
        energy = flat @ flat.transpose(1, 2)  # (B, C, C)
        weights = torch.softmax(energy.amax(-1, keepdim=True) - energy, -1)
        result: Tensor = self.gain * (weights @ flat).reshape(features.shape) + features
        return result


class DualAttention(nn.Module):
    """Both attentions, a convolution behind each, their sum, one more convolution: (B, C, H, W) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.position: nn.Module = PositionAttention(channels)
        self.position_merge = conv_norm_prelu(channels, channels, 3)
        self.channel = ChannelAttention()
        self.channel_merge = conv_norm_prelu(channels, channels, 3)
        self.merge = conv_norm_prelu(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        by_position = self.position_merge(self.position(features))
        by_channel = self.channel_merge(self.channel(features))
        result: Tensor = self.merge(by_position + by_channel)
        return result


class Decoder(nn.Module):
    """One head: (B, in, H/8, W/8) → its scores (B, 2, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_quarter = Doubling(channels, 16)
        self.to_half = Doubling(16, 8)
        self.to_full = Doubling(8, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, scores out."""
        scores: Tensor = self.to_full(self.to_half(self.to_quarter(features)))
        return scores


class TwinLiteNet(Network):
    """TwinLiteNet. Blueprint options: none."""

    stride = (8, 8)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.encoder = EspEncoder(SHAPE)
        self.attention = DualAttention(SHAPE.out)
        self.decoders = nn.ModuleDict({head: Decoder(SHAPE.out) for head in HEADS})

    def forward(self, images: Tensor) -> Scores:
        """Images float32 (B, 3, H, W), H and W multiples of 8 → Scores."""
        features = self.attention(self.encoder(images).deep)  # (B, 32, H/8, W/8)
        return Scores(*[self.decoders[head](features) for head in HEADS])

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """Two masks."""
        return mask_heads(self.blueprint)

    def decoder(self, head: str) -> Decoder:
        """The decoder of one head."""
        found = self.decoders[head]
        assert isinstance(found, Decoder)
        return found

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Float scores, nothing rewritten."""
        return PlainMasks(copy.deepcopy(self), heads)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """uint8 masks; norms folded, dust and dead channels gone, and the position attention where it does nothing."""
        return DeployedTwinLiteNet(folded(self), heads)


class DeployedDecoder(nn.Module):
    """One head: (B, in, H/8, W/8) → bool (B, H, W). decoder: folded, ours to take apart."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        for upper, lower in ((decoder.to_quarter, decoder.to_half), (decoder.to_half, decoder.to_full)):
            without_dead_channels(upper.convolution, upper.activation, lower.convolution)
        self.to_quarter, self.to_half = decoder.to_quarter, decoder.to_half
        self.to_full = MaskTail(decoder.to_full)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, bits out."""
        foreground: Tensor = self.to_full(self.to_half(self.to_quarter(features)))
        return foreground


class DeployedTwinLiteNet(Deployed):
    """TwinLiteNet with the exact rewrites. network: folded, ours to take apart."""

    def __init__(self, network: TwinLiteNet, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.attention = network.attention
        if isinstance(self.attention.position, PositionAttention) and self.attention.position.is_idle:
            self.attention.position = nn.Identity()
        without_dust(network)
        self.encoder = DeployedEncoder(network.encoder)
        self.decoders = nn.ModuleDict({head: DeployedDecoder(network.decoder(head)) for head in heads})
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images float32 (B, 3, H, W) → uint8 masks (B, H, W) in the order of ``names``."""
        features = self.attention(self.encoder(images).deep)
        return tuple(self.decoders[head](features).to(torch.uint8) for head in self.names)


FAMILY = Family(
    name="twinlitenet",
    title="TwinLiteNet",
    paper="TwinLiteNet: An Efficient and Lightweight Model for Driveable Area and Lane Segmentation in Self-Driving"
    " Cars (Che et al., 2023)",
    licence="MIT",
    variants=("standard",),
    input=InputCard(fit="stretch", colour="rgb", scale=255.0, size=(640, 360)),
    build=TwinLiteNet,
)
