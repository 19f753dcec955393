"""DDRNet: semantic segmentation on two branches, one at 1/8 for detail, one down to 1/64 for context.

Hong, Pan, Sun, Jia: Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of Road Scenes,
2021, arXiv:2101.06085.

Options of a blueprint; the defaults are those of the paper's own program:

convolution_bias (False): whether convolutions in front of a batch norm have a bias (the stem's always have).
align_corners (False): how every bilinear resize places its samples.
auxiliary (False): whether there is a second head, on the detail branch, which only training uses.
output_stride (8): what ``forward`` returns, and so what a loss sees: logits at 1/8, or (1) resized to the input's size.
head_channels, pyramid_channels (the variant's): widths inside the heads and inside the pyramid pooling.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.card import HeadCard, InputCard
from contracts.errors import UsageError
from training.blueprint import Blueprint
from training.networks.bilinear import resized, resized_by_matrices
from training.networks.blocks import folded
from training.networks.dappm import PyramidPooling
from training.networks.ddrnet_blocks import (
    BilateralStage,
    basic_blocks,
    bottleneck,
    conv_norm,
    rectified,
    segmentation_head,
)
from training.networks.ddrnet_classes import palette
from training.networks.network import Deployed, Family, Network

HEAD = "classes"
_LOGIT_STRIDE = 8
_OPTIONS = ("convolution_bias", "align_corners", "auxiliary", "output_stride", "head_channels", "pyramid_channels")
_INPUT = InputCard(
    fit="letterbox",  # training scales both sides alike: no picture is ever distorted
    pad=114,  # nearly the mean, so nearly 0 for the network
    mean=(0.485, 0.456, 0.406),  # ImageNet's
    std=(0.229, 0.224, 0.225),
    size=(1024, 512),  # half of Cityscapes' 2048 × 1024 of the published figures: what a CPU can do
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage with two branches. context: channels of that branch, in stem widths. blocks: of each branch."""

    context: int
    stride: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Variant:
    """width: the stem's channels. blocks: of the two stages in front of the branches. stages: those of the branches."""

    width: int
    head_channels: int
    blocks: tuple[int, int]
    stages: tuple[Stage, ...]
    pyramid_channels: int = 128


_STAGES_23 = (Stage(4, 2, 2), Stage(8, 2, 2))
_STAGES_39 = (Stage(4, 2, 3), Stage(4, 1, 3), Stage(8, 2, 3))
VARIANTS: Mapping[str, Variant] = {
    "23-slim": Variant(32, 64, (2, 2), _STAGES_23),
    "23": Variant(64, 128, (2, 2), _STAGES_23),
    "39": Variant(64, 256, (3, 4), _STAGES_39),
}


class Logits(NamedTuple):
    """(B, classes, h, w) each, at the blueprint's output stride; auxiliary: None without that head."""

    main: Tensor
    auxiliary: Tensor | None


class DDRNet(Network):
    """DDRNet-23-slim, -23 or -39. Raises UsageError for unusable options and for an unusable class count.

    fast_class_map: set it before ``deployed`` to take the arg-max at 1/8 and repeat its ids: less work, but borders
    between classes become steps of 8 pixels, which is not what the network says.
    """

    stride = (_LOGIT_STRIDE, _LOGIT_STRIDE)
    fast_class_map = False

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.classes = _checked_classes(blueprint)
        variant, options = VARIANTS[blueprint.variant], blueprint.options
        width = variant.width
        bias, self.align_corners = bool(options.get("convolution_bias")), bool(options.get("align_corners"))
        self.output_stride = int(options.get("output_stride", _LOGIT_STRIDE))
        self.stem = rectified("layer", (conv_norm(3, width, 3, 2, bias=True), conv_norm(width, width, 3, 2, bias=True)))
        self.stage1 = basic_blocks(width, width, variant.blocks[0], bias=bias)
        self.stage2 = basic_blocks(width, 2 * width, variant.blocks[1], 2, bias=bias)
        self.stages = _stages(variant, bias=bias, align_corners=self.align_corners)
        context = variant.stages[-1].context * width
        self.context_last = bottleneck(context, 2, bias=bias)
        self.detail_last = bottleneck(2 * width, bias=bias)
        pyramid_channels = int(options.get("pyramid_channels", variant.pyramid_channels))
        self.pyramid = PyramidPooling(2 * context, pyramid_channels, 4 * width, align_corners=self.align_corners)
        head_channels = int(options.get("head_channels", variant.head_channels))
        self.head = segmentation_head(4 * width, head_channels, len(self.classes), bias=bias)
        self.auxiliary: nn.Module | None = None
        if options.get("auxiliary"):
            self.auxiliary = segmentation_head(2 * width, head_channels, len(self.classes), bias=bias)

    def forward(self, images: Tensor) -> Logits:
        """Images (B, 3, H, W) → logits (B, classes, H / s, W / s), s being the output stride."""
        features, tapped = self.features(images)
        main = self.head(features)
        auxiliary = self.auxiliary(tapped) if self.auxiliary is not None else None
        if self.output_stride == 1:
            main = resized(main, images, align_corners=self.align_corners)
            if auxiliary is not None:
                auxiliary = resized(auxiliary, images, align_corners=self.align_corners)
        return Logits(main, auxiliary)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) → what the head reads and what the auxiliary one reads, both at 1/8."""
        shared = functional.relu(self.stem(images))  # (B, width, H/4, W/4)
        shared = self.stage2(functional.relu(self.stage1(shared)))  # (B, 2 width, H/8, W/8)
        context = detail = tapped = shared
        for stage in self.stages:
            tapped = detail  # in the end: the detail branch in front of the last stage, (B, 2 width, H/8, W/8)
            context, detail = stage(context, detail)  # in the end: context (B, 8 width, H/32, W/32)
        context = self.context_last(functional.relu(context))  # (B, 16 width, H/64, W/64)
        context = self.pyramid(context)  # (B, 4 width, H/64, W/64)
        detail = self.detail_last(functional.relu(detail))  # (B, 4 width, H/8, W/8)
        return resized(context, detail, align_corners=self.align_corners) + detail, tapped

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """One class map."""
        colours = palette(self.classes)
        return (HeadCard(name=HEAD, kind="mask_ids", outputs=(HEAD,), classes=self.classes, palette=colours),)

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Logits float32 (B, classes, H, W), resized to the input's size as in training."""
        del heads  # there is only one
        return Scores(copy.deepcopy(self).eval())

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """Class ids uint8 (B, H, W); see ``fast_class_map``."""
        del heads  # there is only one
        network = folded(self)
        if self.fast_class_map:
            return FastIds(network)
        return TwoClassIds(network) if len(self.classes) == 2 else Ids(network)


def _stages(variant: Variant, *, bias: bool, align_corners: bool) -> nn.ModuleList:
    """The stages with two branches; both branches start from the same features, two widths wide."""
    stages, channels_in, halvings = nn.ModuleList(), 2 * variant.width, 0
    for stage in variant.stages:
        channels = stage.context * variant.width
        halvings += stage.stride == 2
        context = (channels_in, channels, stage.stride)
        stages.append(
            BilateralStage(context, 2 * variant.width, stage.blocks, halvings, bias=bias, align_corners=align_corners)
        )
        channels_in = channels
    return stages


def _checked_classes(blueprint: Blueprint) -> tuple[str, ...]:
    """The names of the classes; raises UsageError where the blueprint cannot be built."""
    if blueprint.options.get("output_stride", _LOGIT_STRIDE) not in (1, _LOGIT_STRIDE):
        raise UsageError("the output_stride of a DDRNet is 8 or 1", "leave it out for 8, as in the paper")
    for option in ("head_channels", "pyramid_channels"):
        width = blueprint.options.get(option, 1)
        if not isinstance(width, int) or width < 1:
            raise UsageError(f"the {option} of a DDRNet are {width!r}", "leave them out for those of the variant")
    classes = tuple(blueprint.classes.get(HEAD, ()))
    if not 2 <= len(classes) <= 256:
        raise UsageError(
            f"a DDRNet for {len(classes)} classes cannot be built", f"name 2 to 256 of them for its head {HEAD!r}"
        )
    return classes


class Scores(Deployed):
    """The network without its auxiliary head: images (B, 3, H, W) → logits float32 (B, classes, H, W)."""

    names = (HEAD,)

    def __init__(self, network: DDRNet) -> None:
        super().__init__()
        network.auxiliary = None
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images in, logits out."""
        return (resized(self.logits(images), images, align_corners=self.network.align_corners),)

    def logits(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → logits (B, classes, H/8, W/8)."""
        result: Tensor = self.network.head(self.network.features(images)[0])
        return result


class Ids(Scores):
    """Images (B, 3, H, W) → class ids uint8 (B, H, W), decided at the input's size."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images in, ids out."""
        scores = resized_by_matrices(self.logits(images), images, align_corners=self.network.align_corners)
        return (scores.argmax(1).to(torch.uint8),)


class TwoClassIds(Scores):
    """The same for two classes: only the difference of their logits counts, and one filter gives it."""

    def __init__(self, network: DDRNet) -> None:
        super().__init__(network)
        classifier = network.head.classifier
        assert isinstance(classifier, nn.Conv2d)
        assert classifier.bias is not None
        classifier.weight = nn.Parameter(classifier.weight[1:] - classifier.weight[:1])
        classifier.bias = nn.Parameter(classifier.bias[1:] - classifier.bias[:1])
        classifier.out_channels = 1

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images in, ids out."""
        difference = resized_by_matrices(self.logits(images), images, align_corners=self.network.align_corners)
        return ((difference[:, 0] > 0).to(torch.uint8),)


class FastIds(Scores):
    """Images (B, 3, H, W) → class ids uint8 (B, H, W), decided at 1/8 and repeated."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images in, ids out."""
        ids = self.logits(images).argmax(1, keepdim=True).to(torch.uint8)
        return (functional.interpolate(ids, scale_factor=_LOGIT_STRIDE, mode="nearest")[:, 0],)


FAMILY = Family(
    name="ddrnet",
    title="DDRNet",
    paper="https://arxiv.org/abs/2101.06085",
    licence="MIT",
    variants=tuple(VARIANTS),
    input=_INPUT,
    build=DDRNet,
    options=_OPTIONS,
)
