"""Road agents: cars and buses with where they are, what their lights say, and their outlines.

No paper: the network of kCW-tb/complex_detection, a YOLOv8 segmenter (prototypes and coefficients after Bolya et al.,
"YOLACT", 2019) whose class scores are those of three questions side by side.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from contracts.errors import UsageError
from training.blueprint import Blueprint
from training.networks.blocks import folded
from training.networks.network import Deployed, Family, Network, class_names
from training.networks.yolo8_blocks import (
    BINS,
    SCALES,
    Backbone,
    Branch,
    PathAggregation,
    Scale,
    decoded,
    deploy_joins,
    level_channels,
    unit,
)

QUESTIONS = ("agents", "locations", "actions")
"""Keys of ``Blueprint.classes``, in the order of the scores: what it is (the best one counts), where it is (the best
one), what its lights say (each above 0.5)."""
COEFFICIENTS = 32
"""Prototypes, and coefficients per box; a box's outline is where their sum of products is above 0."""
_LARGEST_SCALE = 16  # shares of the large network; a depth without bounds would be modules without end
CUSTOM = "custom"
"""The variant whose scale is given by the options ``width`` and ``depth``."""


class Raw(NamedTuple):
    """What training sees.

    boxes: per level (B, 64 + scores, h, w), distances' bins before the scores of all questions, at 1/8, 1/16, 1/32.
    coefficients: (B, 32, N) over all levels. prototypes: (B, 32, H/4, W/4).
    """

    boxes: tuple[Tensor, ...]
    coefficients: Tensor
    prototypes: Tensor


class Prototypes(nn.Module):
    """(B, C, H/8, W/8) → (B, 32, H/4, W/4)."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.enter = unit(channels, middle, 3)
        self.upsample = nn.ConvTranspose2d(middle, middle, 2, stride=2)
        self.refine = unit(middle, middle, 3)
        self.scores = unit(middle, COEFFICIENTS)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, prototypes out."""
        result: Tensor = self.scores(self.refine(self.upsample(self.enter(features))))
        return result


class RoadAgents(Network):
    """The road-agents network; ``forward`` gives Raw."""

    stride = (32, 32)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        scale = _scale(blueprint)
        channels = level_channels(scale)[2:]
        scores = sum(len(class_names(blueprint, question)) for question in QUESTIONS)
        self.backbone = Backbone(scale)
        self.neck = PathAggregation(scale)
        self.distances = Branch(channels, max(16, channels[0] // 4, 4 * BINS), 4 * BINS)
        self.scores = Branch(channels, max(channels[0], min(scores, 100)), scores)
        self.coefficients = Branch(channels, max(channels[0] // 4, COEFFICIENTS), COEFFICIENTS)
        self.prototypes = Prototypes(channels[0], scale.channels(256))

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """One head, of two outputs."""
        agents, locations, actions = (self.blueprint.classes[question] for question in QUESTIONS)
        return (
            HeadCard(
                name="agents",
                kind="road_agents",
                outputs=("agents", "prototypes"),
                classes=agents,
                locations=locations,
                actions=actions,
            ),
        )

    def forward(self, images: Tensor) -> Raw:
        """Images (B, 3, H, W), RGB 0 … 1 → Raw."""
        features = self.neck(self.backbone(images))
        pairs = zip(self.distances(features), self.scores(features), strict=True)
        return Raw(
            boxes=tuple(torch.cat(pair, dim=1) for pair in pairs),
            coefficients=_flat(self.coefficients(features)),
            prototypes=self.prototypes(features[0]),
        )

    def plain(self, heads: Sequence[str]) -> Deployed:
        """The network as its authors run it."""
        return _Decoded(copy.deepcopy(self).eval(), heads)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """The same answers with less work."""
        network = folded(self)
        deploy_joins(network)
        return _Decoded(network, heads)


class _Decoded(Deployed):
    """agents: (B, 4 + scores + 32, N), centre and size in input pixels, scores after sigmoid, raw coefficients.

    prototypes: (B, 32, H/4, W/4).
    """

    def __init__(self, network: RoadAgents, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(name for head in network.heads if head.name in heads for name in head.outputs)
        self.network = network
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) → agents, prototypes."""
        network = self.network
        features = network.neck(network.backbone(images))
        scores = _flat(network.scores(features)).sigmoid()
        boxes = decoded(network.distances(features))
        agents = torch.cat([boxes, scores, _flat(network.coefficients(features))], dim=1)
        return agents, network.prototypes(features[0])


def _flat(levels: Sequence[Tensor]) -> Tensor:
    """Maps (B, C, h, w) → (B, C, N)."""
    return torch.cat([level.flatten(2) for level in levels], dim=2)


def _scale(blueprint: Blueprint) -> Scale:
    """The variant's scale, or that of the options; raises UsageError where those are missing or no numbers."""
    if blueprint.variant != CUSTOM:
        return SCALES[blueprint.variant]
    width, depth = blueprint.options.get("width"), blueprint.options.get("depth")
    if not (
        isinstance(width, int | float) and isinstance(depth, int | float) and _is_share(width) and _is_share(depth)
    ):
        raise UsageError(
            f"a custom {FAMILY.title} network needs its scale, not width {width!r} and depth {depth!r}",
            'give the options "width" and "depth" as numbers up to 16, 0.5 and 0.33 for scale s',
        )
    return Scale(float(depth), float(width))


def _is_share(number: float) -> bool:
    return 0 < number <= _LARGEST_SCALE


FAMILY = Family(
    name="road_agents",
    title="road agents",
    paper="none; https://github.com/kCW-tb/complex_detection",
    licence="AGPL-3.0",
    variants=(*SCALES, CUSTOM),
    input=InputCard(fit="letterbox", pad=114, colour="rgb", size=(1280, 480)),
    build=RoadAgents,
    options=("width", "depth"),
)
