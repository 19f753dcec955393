"""RoadNet: the network in the box. Road users, drivable area and lane lines in one pass on a CPU.

Ours. Nothing but 3×3 convolutions with ReLU, which int8 arithmetic does fastest: residual stages (He et al.,
arXiv:1512.03385) down to 1/32, one context vector of the whole picture (global average pooling as in ParseNet,
Liu et al., arXiv:1506.04579), a feature pyramid up again (Lin et al., arXiv:1612.03144). Boxes come from 1/8 as
distances to the four sides (FCOS, Tian et al., arXiv:1904.01355); masks from 1/4, moved to 1/2 by pixel shuffle (Shi
et al., arXiv:1609.05158).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.card import HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks.blocks import ConvNorm, folded
from training.networks.network import Deployed, Family, Network, class_names

MASKS = ("drivable", "lane")
BOX_STRIDE = 8
"""Input pixels per cell of the one level that boxes come from."""
FARTHEST = 6.0
"""Largest exponent of a distance: e⁶ cells are wider than any input."""
_RARE = -4.6
"""Class logits start at a probability of 1 %: nearly every cell is background (RetinaNet, arXiv:1708.02002)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """channels: at 1/2, 1/4, 1/8, 1/16, 1/32. repeats: residual blocks of the last four. neck: channels upwards.

    quarter: channels at 1/4, where the masks come from.
    """

    channels: tuple[int, int, int, int, int]
    repeats: tuple[int, int, int, int]
    neck: int
    quarter: int


VARIANTS = {
    "n": Plan((16, 24, 48, 96, 128), (1, 1, 2, 1), 48, 32),
    "s": Plan((16, 32, 64, 128, 160), (1, 2, 2, 1), 64, 48),
    "m": Plan((16, 32, 80, 160, 256), (1, 2, 4, 3), 80, 48),
}


class Raw(NamedTuple):
    """What training sees.

    boxes: (B, 4 + classes, H/8, W/8): logarithms of the distances from a cell's centre to left, top, right and bottom
    in cells, then class logits. drivable, lane: logits (B, 1, H/2, W/2), above 0 where there is some.
    """

    boxes: Tensor
    drivable: Tensor
    lane: Tensor


def unit(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> ConvNorm:
    """Convolution, batch norm, ReLU."""
    return ConvNorm(channels_in, channels_out, kernel, stride, activation=nn.ReLU())


class Residual(nn.Module):
    """Two 3×3 units around which the input goes: (B, C, h, w) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = unit(channels, channels)
        self.second = ConvNorm(channels, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        return functional.relu(features + self.second(self.first(features)))


class Stage(nn.Sequential):
    """Half the size, then residual blocks: (B, in, h, w) → (B, out, h/2, w/2)."""

    def __init__(self, channels_in: int, channels_out: int, repeats: int) -> None:
        super().__init__(unit(channels_in, channels_out, 3, 2), *(Residual(channels_out) for _ in range(repeats)))


class Context(nn.Module):
    """Adds to every place what the whole picture holds: day or night, city or motorway."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blend = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → the same."""
        return functional.relu(features + self.blend(features.mean((2, 3), keepdim=True)))


class Rise(nn.Module):
    """A coarse map on top of a finer one: (B, coarse, h, w), (B, fine, 2h, 2w) → (B, out, 2h, 2w)."""

    def __init__(self, coarse: int, fine: int, channels_out: int) -> None:
        super().__init__()
        self.lift = ConvNorm(coarse, channels_out)
        self.side = ConvNorm(fine, channels_out)
        self.mix = unit(channels_out, channels_out)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features in, features out; the coarse map is widened behind its 1×1, which is a quarter of the work."""
        lifted = functional.interpolate(self.lift(coarse), scale_factor=2.0, mode="nearest")
        result: Tensor = self.mix(functional.relu(lifted + self.side(fine)))
        return result


class BoxHead(nn.Module):
    """(B, C, H/8, W/8) → (B, 4 + classes, H/8, W/8); distances and classes have a branch each."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.near = nn.Sequential(unit(channels, channels), unit(channels, channels))
        self.distances = nn.Conv2d(channels, 4, 1)
        self.what = nn.Sequential(unit(channels, channels), unit(channels, channels))
        self.classes = nn.Conv2d(channels, classes, 1)
        nn.init.constant_(self.distances.bias, 1.0) if self.distances.bias is not None else None
        nn.init.constant_(self.classes.bias, _RARE) if self.classes.bias is not None else None

    def forward(self, features: Tensor) -> Tensor:
        """Features in, raw numbers out."""
        return torch.cat([self.distances(self.near(features)), self.classes(self.what(features))], dim=1)


class MaskHead(nn.Sequential):
    """(B, C, H/4, W/4) → logits (B, 1, H/2, W/2); four channels become the four pixels of a cell."""

    def __init__(self, channels: int) -> None:
        super().__init__(unit(channels, channels), nn.Conv2d(channels, 4, 1), nn.PixelShuffle(2))

    def scores(self, features: Tensor) -> Tensor:
        """What speaks against the area and what for it, (B, 2, H/2, W/2): the logit is the second less the first.

        So whoever compares can see how large the sums are that leave a logit near 0, and so how far it may be rounded.
        """
        mix, last, shuffle = self
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        seen = mix(features)  # nothing below 0 behind its ReLU
        signed = [(sign * last.weight, sign * last.bias) for sign in (-1, 1)]
        sides = [functional.conv2d(seen, weight.clamp(min=0), bias.clamp(min=0)) for weight, bias in signed]
        return torch.cat([shuffle(side) for side in sides], dim=1)


class RoadNet(Network):
    """RoadNet; ``forward`` gives Raw. Blueprint options: none."""

    stride = (32, 32)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        plan = VARIANTS[blueprint.variant]
        half, quarter, eighth, sixteenth, last = plan.channels
        self.stem = unit(3, half, 3, 2)
        self.stage4 = Stage(half, quarter, plan.repeats[0])
        self.stage8 = Stage(quarter, eighth, plan.repeats[1])
        self.stage16 = Stage(eighth, sixteenth, plan.repeats[2])
        self.stage32 = Stage(sixteenth, last, plan.repeats[3])
        self.context = Context(last)
        self.rise16 = Rise(last, sixteenth, plan.neck)
        self.rise8 = Rise(plan.neck, eighth, plan.neck)
        self.rise4 = Rise(plan.neck, quarter, plan.quarter)
        self.boxes = BoxHead(plan.neck, len(class_names(blueprint, "boxes")))
        self.masks = nn.ModuleDict({name: MaskHead(plan.quarter) for name in MASKS})

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """Boxes, drivable area, lane lines."""
        return (
            HeadCard(name="boxes", kind="yolo_boxes", outputs=("boxes",), classes=self.blueprint.classes["boxes"]),
            HeadCard(name="drivable", kind="mask_ids", outputs=("drivable",), role="drivable"),
            HeadCard(name="lane", kind="mask_ids", outputs=("lane",), role="lane"),
        )

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W), RGB 0 … 1, H and W multiples of 32 → maps at 1/8 (boxes) and 1/4 (masks)."""
        seen4 = self.stage4(self.stem(images))
        seen8 = self.stage8(seen4)
        seen16 = self.stage16(seen8)
        risen16 = self.rise16(self.context(self.stage32(seen16)), seen16)
        risen8 = self.rise8(risen16, seen8)
        return risen8, self.rise4(risen8, seen4)

    def forward(self, images: Tensor) -> Raw:
        """Images (B, 3, H, W), RGB 0 … 1 → Raw."""
        eighth, quarter = self.features(images)
        return Raw(self.boxes(eighth), *(self.masks[name](quarter) for name in MASKS))

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Batch norms apart; masks as scores (B, 2, H/2, W/2): what speaks against them, what for them."""
        return _Chosen(copy.deepcopy(self).eval(), heads, scores=True)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """Batch norms folded; masks as uint8 (B, H/2, W/2)."""
        return _Chosen(folded(self), heads, scores=False)


def cells(height: int, width: int, device: torch.device) -> Tensor:
    """Centres of the cells of a (height, width) map, row by row: float32 (height × width, 2), x y in cells."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1) + 0.5


def decoded_corners(boxes: Tensor) -> Tensor:
    """Raw boxes (B, 4 + classes, h, w) → (B, h × w, 4), x1 y1 x2 y2 in input pixels."""
    distances = boxes[:, :4].clamp(max=FARTHEST).exp().flatten(2).transpose(1, 2)
    centres = cells(boxes.shape[2], boxes.shape[3], boxes.device)
    near, far = distances.chunk(2, dim=2)
    return torch.cat([centres - near, centres + far], dim=2) * BOX_STRIDE


class _Chosen(Deployed):
    """The wanted heads and the trunk. scores: masks as float scores of two classes instead of ids."""

    def __init__(self, network: RoadNet, heads: Sequence[str], *, scores: bool) -> None:
        super().__init__()
        self.names = tuple(head.name for head in network.heads if head.name in heads)
        self.network = network
        self.scores = scores
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) → one tensor per name; boxes (B, 4 + classes, N): centre and size in pixels, scores."""
        eighth, quarter = self.network.features(images)
        return tuple(
            self._boxes(eighth) if name == "boxes" else self._mask(self.network.masks[name], quarter)
            for name in self.names
        )

    def _boxes(self, features: Tensor) -> Tensor:
        raw = self.network.boxes(features)
        near, far = raw[:, :4].clamp(max=FARTHEST).exp().flatten(2).chunk(2, dim=1)  # each (B, 2, N)
        centres = cells(raw.shape[2], raw.shape[3], raw.device).T
        middle, size = centres + (far - near) / 2, near + far
        return torch.cat([middle * BOX_STRIDE, size * BOX_STRIDE, raw[:, 4:].flatten(2).sigmoid()], dim=1)

    def _mask(self, head: nn.Module, features: Tensor) -> Tensor:
        if self.scores:
            assert isinstance(head, MaskHead)
            return head.scores(features)
        ids: Tensor = (head(features)[:, 0] > 0).to(torch.uint8)
        return ids


FAMILY = Family(
    name="roadnet",
    title="RoadNet",
    paper="docs/networks.md",
    licence="",
    variants=tuple(VARIANTS),
    input=InputCard(fit="letterbox", colour="rgb", scale=255.0, size=(576, 320)),
    build=RoadNet,
)
