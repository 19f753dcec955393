"""A-YOLOM: vehicles, drivable area and lane lines in one network.

Wang, Wu, Zhang: "You Only Look at Once for Real-time and Generic Multi-Task", IEEE Transactions on Vehicular
Technology 2024. A YOLOv8 detector and, from its deepest features, two segmentation necks whose skip connections
carry a learned switch ("adaptive concatenation").
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks import rewrites
from training.networks.blocks import folded
from training.networks.network import Deployed, Family, Network, class_names
from training.networks.yolo8_blocks import (
    BINS,
    SCALES,
    Backbone,
    Branch,
    Join,
    Levels,
    PathAggregation,
    Scale,
    SplitJoin,
    decoded,
    deploy_joins,
    level_channels,
    unit,
    upsampled,
)

VARIANTS = {"p": Scale(0.33, 0.125)} | SCALES
"""n and s as published, m by the same table; p, half of n's width, is ours, for CPUs."""
_RARE = -4.6
"""Class logits start at a probability of 1 %: nearly every cell is background (RetinaNet, arXiv:1708.02002)."""


class Raw(NamedTuple):
    """What training sees.

    boxes: per level (B, 64 + classes, h, w), distances' bins before class scores, at 1/8, 1/16, 1/32.
    drivable, lane: (B, 2, H, W), background before foreground, behind their SiLU: never below -0.278.
    """

    boxes: tuple[Tensor, ...]
    drivable: Tensor
    lane: Tensor


class AdaptiveJoin(Join):
    """A Join with a switch: closed (``gate`` ≤ 0) the fine map is not looked at. The paper's adaptive concatenation.

    No gradient reaches the switch (it only chooses), so training leaves it as it starts, open.
    """

    def __init__(self, coarse: int, fine: int, channels_out: int, repeats: int) -> None:
        super().__init__(coarse, fine, channels_out, repeats, factor=2)
        self.gate = nn.Parameter(torch.full((1,), 5.0))
        self.blend = nn.Conv2d(coarse + fine, coarse, 1)
        self.mix.enter = unit(coarse, channels_out)
        self.decided: bool | None = None

    @property
    def is_open(self) -> bool:
        """Whether the fine map is used."""
        return bool(self.gate > 0) if self.decided is None else self.decided

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features in, features out."""
        joined = upsampled(coarse, 2)
        if self.is_open:
            joined = self.blend(torch.cat([joined, fine], dim=1))
        result: Tensor = self.mix(joined)
        return result


class MaskNeck(nn.ModuleList):
    """From the deepest features up to half of the input's size: Levels → (B, c1, H/2, W/2)."""

    def __init__(self, scale: Scale) -> None:
        c1, c2, c3, c4, c5 = level_channels(scale)
        steps = ((c5, c4), (c4, c3), (c3, c2), (c2, c1))
        super().__init__(AdaptiveJoin(coarse, fine, fine, scale.repeats(3)) for coarse, fine in steps)

    def forward(self, levels: Levels) -> Tensor:
        """Features in, features out."""
        features = levels.thirtysecond
        for join, fine in zip(self, (levels.sixteenth, levels.eighth, levels.quarter, levels.half), strict=True):
            features = join(features, fine)
        return features


class MaskHead(nn.Module):
    """Scores of background and foreground: (B, c, H/2, W/2) → (B, 2, H, W), with a SiLU even behind the last layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = unit(channels, 32, 3)
        self.upsample = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.refine = unit(16, 8, 3)
        self.scores = unit(8, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, scores out."""
        result: Tensor = self.scores(self.refine(self.upsample(self.enter(features))))
        return result


class BoxHead(nn.Module):
    """Three maps → per level (B, 64 + classes, h, w): bins of the four distances, then class scores before sigmoid."""

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.distances = Branch(channels, max(16, channels[0] // 4, 4 * BINS), 4 * BINS)
        self.classes = Branch(channels, max(channels[0], min(classes, 100)), classes)
        for module in self.classes.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:  # the last one of each level
                nn.init.constant_(module.bias, _RARE)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features in, raw scores out."""
        pairs = zip(self.distances(features), self.classes(features), strict=True)
        return tuple(torch.cat(pair, dim=1) for pair in pairs)


class DecodedBoxes(nn.Module):
    """Three maps → (B, 4 + classes, N): boxes as centre and size in input pixels, scores after sigmoid."""

    def __init__(self, head: BoxHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features in, boxes out."""
        scores = torch.cat([level.flatten(2) for level in self.head.classes(features)], dim=2).sigmoid()
        return torch.cat([decoded(self.head.distances(features)), scores], dim=1)


class AYolom(Network):
    """A-YOLOM; ``forward`` gives Raw."""

    stride = (32, 32)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        scale = VARIANTS[blueprint.variant]
        widths = level_channels(scale)
        self.backbone = Backbone(scale)
        self.neck = PathAggregation(scale)
        self.boxes = BoxHead(widths[2:], len(class_names(blueprint, "boxes")))
        self.drivable_neck = MaskNeck(scale)
        self.drivable = MaskHead(widths[0])
        self.lane_neck = MaskNeck(scale)
        self.lane = MaskHead(widths[0])

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """Boxes, drivable area, lane lines."""
        return (
            HeadCard(name="boxes", kind="yolo_boxes", outputs=("boxes",), classes=self.blueprint.classes["boxes"]),
            HeadCard(name="drivable", kind="mask_ids", outputs=("drivable",), role="drivable"),
            HeadCard(name="lane", kind="mask_ids", outputs=("lane",), role="lane"),
        )

    def forward(self, images: Tensor) -> Raw:
        """Images (B, 3, H, W), RGB 0 … 1 → Raw."""
        levels = self.backbone(images)
        return Raw(
            boxes=self.boxes(self.neck(levels)),
            drivable=self.drivable(self.drivable_neck(levels)),
            lane=self.lane(self.lane_neck(levels)),
        )

    def plain(self, heads: Sequence[str]) -> Deployed:
        """The network as its authors run it, switches decided; masks as scores (B, 2, H, W)."""
        network = copy.deepcopy(self).eval()
        for module in network.modules():
            if isinstance(module, AdaptiveJoin):
                module.decided = module.is_open
        return _Chosen(network, heads)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """The same answers with less work; masks as uint8 (B, H, W)."""
        network = folded(self)
        for name, module in list(network.named_modules()):
            if isinstance(module, AdaptiveJoin):
                network.set_submodule(name, _deployed_adaptive(module))
            elif isinstance(module, MaskHead):
                network.set_submodule(name, _deployed_mask(module))
        deploy_joins(network)
        return _Chosen(network, heads)


class _Chosen(Deployed):
    """The wanted heads of a network and what they need."""

    def __init__(self, network: AYolom, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(head.name for head in network.heads if head.name in heads)
        self.backbone = network.backbone
        parts = {"boxes": network.neck, "drivable": network.drivable_neck, "lane": network.lane_neck}
        self.necks = nn.ModuleDict({name: parts[name] for name in self.names})
        tops = {"boxes": DecodedBoxes(network.boxes), "drivable": network.drivable, "lane": network.lane}
        self.tops = nn.ModuleDict({name: tops[name] for name in self.names})
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) → one tensor per name."""
        levels = self.backbone(images)
        return tuple(self.tops[name](self.necks[name](levels)) for name in self.names)


def _deployed_adaptive(join: AdaptiveJoin) -> nn.Module:
    """A folded AdaptiveJoin, its switch decided; behind an open one lie two 1×1 convolutions in a row."""
    if not join.is_open:
        return CoarseJoin(join)
    return SplitJoin(join, rewrites.composed(join.blend, join.mix.enter.convolution))


def _deployed_mask(head: MaskHead) -> nn.Module:
    return rewrites.HalfSizeMask(
        head.enter.convolution, head.upsample, head.refine.convolution, head.scores.convolution
    )


class CoarseJoin(nn.Module):
    """An AdaptiveJoin whose switch is closed: its first convolution works before the upsampling."""

    def __init__(self, join: AdaptiveJoin) -> None:
        super().__init__()
        self.mix = join.mix

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:  # noqa: ARG002 (called as every join is)
        """Features in, features out."""
        return self.mix.rest(upsampled(self.mix.enter(coarse), 2))


FAMILY = Family(
    name="ayolom",
    title="A-YOLOM",
    paper="Wang, Wu, Zhang: You Only Look at Once for Real-time and Generic Multi-Task, IEEE TVT 2024",
    licence="AGPL-3.0",
    variants=tuple(VARIANTS),
    input=InputCard(fit="letterbox", pad=114, colour="rgb", size=(672, 384)),
    build=AYolom,
)
