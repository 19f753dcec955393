"""TwinLiteNet+ (Che et al. 2024): drivable area and lane lines from one small network, in four widths.

"TwinLiteNetPlus: A Stronger Model for Real-time Drivable Area and Lane Segmentation".
The ESP encoder of TwinLiteNet with separable blocks, one attention in place of two, and decoders that see the picture
again at 1/4 and 1/2.
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
    Features,
    PlainMasks,
    Scores,
    conv_norm_prelu,
    mask_heads,
)
from training.networks.esp_deployed import DeployedEncoder, MaskTail
from training.networks.negligible import without_dust
from training.networks.network import Deployed, Family, Network

BINS = (2, 4)  # rows and columns of the attention's grid
NORM_EPS = 1e-5  # of batch norms outside ESP units and upsamplings


def _shape(width: int, blocks: tuple[int, int]) -> EncoderShape:
    return EncoderShape(width, 2 * width, 4 * width, 8 * width, 4 * width, blocks, separable=True, eps=NORM_EPS)


VARIANTS = {
    "nano": _shape(4, (1, 1)),
    "small": _shape(8, (2, 3)),
    "medium": _shape(16, (3, 5)),
    "large": _shape(32, (5, 7)),
}


class GridAttention(nn.Module):
    """Partial class activation attention (Liu et al., "Partial Class Activation Attention", 2022) on a 2×4 grid.

    (B, C, H, W) → the same; H a multiple of 2, W of 4. C stands for as many classes: in each cell of the grid every
    class gathers a centre from the pixels that look like it; the cells exchange centres; then every pixel looks at
    its cell's centres (keys) and takes what they are in the whole picture (values).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        cells, inner = BINS[0] * BINS[1], channels // 2
        self.classify = nn.Conv2d(channels, channels, 1)
        self.exchange = nn.Conv2d(cells, cells, 1, bias=False)
        self.exchange_activation = nn.PReLU(cells)
        self.mix = nn.Linear(channels, channels, bias=False)
        self.fuse = nn.Conv2d(cells, 1, 1)
        self.fuse_activation = nn.PReLU(1)
        self.query = nn.Linear(channels, inner)
        self.key = nn.Linear(channels, inner)
        self.value = nn.Linear(channels, inner)
        self.expand = nn.Sequential(
            nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels, eps=NORM_EPS), nn.PReLU(channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        height, width = features.shape[2:]
        maps = self.classify(features)  # (B, K, H, W), K = C classes
        present = torch.sigmoid(nn.functional.avg_pool2d(maps, (height // BINS[0], width // BINS[1])))
        present = present.flatten(2).transpose(1, 2).unsqueeze(-1)  # (B, cells, K, 1)
        pixels = cut(features)  # (B, cells, P, C)
        centres = torch.softmax(cut(maps).transpose(2, 3), -1) @ pixels * present  # (B, cells, K, C)
        centres = self.mix(self.exchange_activation(self.exchange(centres) + centres))
        whole = self.fuse_activation(self.fuse(centres))  # (B, 1, K, C)
        alike = torch.softmax(self.query(pixels) @ self.key(centres).transpose(2, 3), -1)  # (B, cells, P, K)
        taken = alike @ self.value(whole)  # (B, cells, P, inner)
        result: Tensor = features + self.expand(joined(taken, height, width))
        return result


def cut(features: Tensor) -> Tensor:
    """(B, C, H, W) → (B, cells, P, C): the pixels of each cell of the grid, P = H·W / cells."""
    channels, height, width = features.shape[1:]
    rows, columns = BINS
    grid = features.reshape(-1, channels, rows, height // rows, columns, width // columns)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(-1, rows * columns, height * width // (rows * columns), channels)


def joined(cells: Tensor, height: int, width: int) -> Tensor:
    """(B, cells, P, C) → (B, C, height, width), the way back of ``cut``."""
    channels = cells.shape[-1]
    rows, columns = BINS
    grid = cells.reshape(-1, rows, columns, height // rows, width // columns, channels)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, height, width)


class Upsampling(nn.Module):
    """Twice the size, the picture beside it (``picture`` channels of it; 0: none), convolutions."""

    def __init__(self, channels_in: int, channels_out: int, picture: int) -> None:
        super().__init__()
        self.upsample = Doubling(channels_in, channels_out)
        if picture:
            self.merge = conv_norm_prelu(channels_out + picture, channels_out, 3, eps=NORM_EPS)
        self.refine = conv_norm_prelu(channels_out, channels_out, 3, eps=NORM_EPS)

    def forward(self, features: Tensor, picture: Tensor | None = None) -> Tensor:
        """(B, in, H, W), the picture (B, 3, 2H, 2W) → (B, out, 2H, 2W)."""
        doubled = self.upsample(features)
        if picture is not None:
            doubled = self.merge(torch.cat([doubled, picture], 1))
        refined: Tensor = self.refine(doubled)
        return refined


class Decoder(nn.Module):
    """One head: 1/8 → full size."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.to_quarter = Upsampling(channels_in, channels, 3)
        self.to_half = Upsampling(channels, 8, 3)
        self.to_full = Upsampling(8, 2, 0)

    def forward(self, features: Tensor, pictures: Features) -> Tensor:
        """(B, in, H/8, W/8) → (B, 2, H, W)."""
        quarter = self.to_quarter(features, pictures.quarter)
        result: Tensor = self.to_full(self.to_half(quarter, pictures.half))
        return result


class TwinLiteNetPlus(Network):
    """TwinLiteNet+ in four widths. Blueprint options: none."""

    stride = (32, 16)  # the grid of the attention has 4 columns and 2 rows at 1/8

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        shape = VARIANTS[blueprint.variant]
        self.encoder = EspEncoder(shape)
        self.attention = GridAttention(shape.out)
        self.merge = conv_norm_prelu(shape.out, shape.merged, 3, eps=NORM_EPS)
        self.decoders = nn.ModuleDict({head: Decoder(shape.merged, shape.stem) for head in HEADS})

    def forward(self, images: Tensor) -> Scores:
        """Images float32 (B, 3, H, W), H a multiple of 16, W of 32 → Scores."""
        pictures: Features = self.encoder(images)
        features = self.merge(self.attention(pictures.deep))  # (B, merged, H/8, W/8)
        return Scores(*[self.decoders[head](features, pictures) for head in HEADS])

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
        """uint8 masks; norms folded, dust gone, the last upsampling at half size."""
        return DeployedTwinLiteNetPlus(folded(self), heads)


class DeployedDecoder(nn.Module):
    """One head: (B, in, H/8, W/8) and the pictures → bool (B, H, W). decoder: folded, ours to take apart."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.to_quarter, self.to_half = decoder.to_quarter, decoder.to_half
        self.to_full = MaskTail(decoder.to_full.upsample, decoder.to_full.refine)

    def forward(self, features: Tensor, pictures: Features) -> Tensor:
        """Features in, bits out."""
        quarter = self.to_quarter(features, pictures.quarter)
        foreground: Tensor = self.to_full(self.to_half(quarter, pictures.half))
        return foreground


class DeployedTwinLiteNetPlus(Deployed):
    """TwinLiteNet+ with the exact rewrites. network: folded, ours to take apart."""

    def __init__(self, network: TwinLiteNetPlus, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        without_dust(network)
        self.encoder = DeployedEncoder(network.encoder)
        self.attention = network.attention
        self.merge = network.merge
        self.decoders = nn.ModuleDict({head: DeployedDecoder(network.decoder(head)) for head in heads})
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images float32 (B, 3, H, W) → uint8 masks (B, H, W) in the order of ``names``."""
        pictures: Features = self.encoder(images)
        features = self.merge(self.attention(pictures.deep))
        return tuple(self.decoders[head](features, pictures).to(torch.uint8) for head in self.names)


FAMILY = Family(
    name="twinlitenetplus",
    title="TwinLiteNet+",
    paper="TwinLiteNetPlus: A Stronger Model for Real-time Drivable Area and Lane Segmentation (Che et al., 2024)",
    licence="MIT",
    variants=tuple(VARIANTS),
    input=InputCard(fit="letterbox", pad=114, colour="rgb", scale=255.0, size=(640, 384)),
    build=TwinLiteNetPlus,
)
