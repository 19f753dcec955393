"""YOLOP: vehicles, drivable area and lane lines at once. Wu et al., arXiv:2108.11250."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks.anchor_head import AnchorHead, Anchors
from training.networks.blocks import ConvNorm, folded
from training.networks.csp_blocks import Body, BodyPlan, Features, NormedCrossStage
from training.networks.network import Deployed, Family, Network, class_names
from training.networks.upsampling import UpsampledStage, before_upsampling

_ANCHORS: Anchors = ((3, 9, 5, 11, 4, 20), (7, 18, 6, 39, 12, 31), (19, 50, 38, 81, 68, 157))
_PLAN = BodyPlan(
    channels=(32, 64, 128, 256, 512),
    repeats=(1, 3, 3, 1),
    neck_repeats=1,
    pooling_first=True,
    stage=NormedCrossStage,
    activation=nn.Hardswish,
)


class AreaBranch(nn.Module):
    """From the body's shallow features up to full size: two scores per pixel, background and foreground."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.convolution8 = ConvNorm(256, 128, 3, activation=nn.Hardswish())
        self.stage4 = NormedCrossStage(128, 64, 1, residual=False, activation=nn.Hardswish)
        self.convolution4 = ConvNorm(64, 32, 3, activation=nn.Hardswish())
        self.convolution2 = ConvNorm(32, 16, 3, activation=nn.Hardswish())
        self.stage2 = NormedCrossStage(16, 8, 1, residual=False, activation=nn.Hardswish)
        self.scores = ConvNorm(8, 2, 3, activation=nn.Hardswish())

    def forward(self, shallow: Tensor) -> Tensor:
        """(B, 256, H/8, W/8) → (B, 2, H, W)."""
        seen4 = self.convolution4(self.stage4(self.upsample(self.convolution8(shallow))))  # (B, 32, 1/4)
        seen2 = self.stage2(self.convolution2(self.upsample(seen4)))  # (B, 8, 1/2)
        result: Tensor = self.scores(self.upsample(seen2))  # (B, 2, H, W)
        return result

    def deployed(self) -> AreaMask:
        """Shallow features → mask, for export; batch norms must be folded."""
        return AreaMask(self)


class AreaMask(nn.Module):
    """An AreaBranch and its arg-max in one: (B, 256, H/8, W/8) → uint8 (B, H, W).

    The sigmoid, which keeps the order, is left out; Hardswish does not keep it, so both channels stay. What upsampling
    only repeats is computed before it, the last convolution included: of its input each value stands four times.
    """

    def __init__(self, branch: AreaBranch) -> None:
        super().__init__()
        self.convolution8 = branch.convolution8
        self.stage4 = UpsampledStage(branch.stage4)
        self.convolution4 = branch.convolution4
        self.upsample = branch.upsample
        self.convolution2 = branch.convolution2
        self.stage2 = branch.stage2
        self.scores = before_upsampling(branch.scores.convolution)
        self.activation = branch.scores.activation

    def forward(self, shallow: Tensor) -> Tensor:
        """Features in, ids out; ties are background."""
        seen4 = self.convolution4(self.stage4(self.convolution8(shallow)))  # (B, 32, 1/4)
        seen2 = self.stage2(self.convolution2(self.upsample(seen4)))  # (B, 8, 1/2)
        background, area = self.activation(self.scores(seen2)).chunk(2, 1)  # (B, 4, 1/2): the pixels of each 2×2 cell
        cells = (area > background).unflatten(1, (2, 2))  # (B, row, column, 1/2)
        ids: Tensor = (
            cells.permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)
        )  # (B, H, W), moved as bool: TensorRT moves no uint8
        return ids.to(torch.uint8)


class YolopOutputs(NamedTuple):
    """levels: raw values (B, 3, h, w, 5 + C) at 1/8, 1/16, 1/32; areas: (B, 2, H, W) before any sigmoid."""

    levels: tuple[Tensor, ...]
    drivable: Tensor
    lane: Tensor


class Yolop(Network):
    """YOLOP: images → YolopOutputs."""

    stride = (32, 32)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.body = Body(_PLAN)
        self.boxes = AnchorHead(_PLAN.channels[2:], len(class_names(blueprint, "boxes")), _ANCHORS)
        self.drivable = AreaBranch()
        self.lane = AreaBranch()

    def forward(self, images: Tensor) -> YolopOutputs:
        """(B, 3, H, W) → raw levels and both areas."""
        features = self.body(images)
        return YolopOutputs(self.boxes(features[:3]), self.drivable(features.shallow), self.lane(features.shallow))

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """Boxes, drivable area, lane lines."""
        return (
            HeadCard(name="boxes", kind="anchor_boxes", outputs=("boxes",), classes=self.blueprint.classes["boxes"]),
            HeadCard(name="drivable", kind="mask_ids", outputs=("drivable",), role="drivable"),
            HeadCard(name="lane", kind="mask_ids", outputs=("lane",), role="lane"),
        )

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Boxes (B, N, 5 + C); areas as sigmoid scores (B, 2, H, W)."""
        return _Plain(copy.deepcopy(self).eval(), heads)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """Boxes (B, N, 5 + C), batch norms folded; areas uint8 (B, H, W)."""
        network = folded(self)
        for module in network.modules():
            if isinstance(module, NormedCrossStage):
                module.fold_norm()
        return _Deployed(network, heads)


class _Plain(Deployed):
    """The wanted heads of a network, on features computed once."""

    def __init__(self, network: Yolop, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.body = network.body
        self.heads = nn.ModuleDict({name: network.get_submodule(name) for name in heads})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.body(images)
        return tuple(self._output(head, features) for head in self.heads.values())

    def _output(self, head: nn.Module, features: Features) -> Tensor:
        if isinstance(head, AnchorHead):
            return head.decode(head(features[:3]))
        scores: Tensor = head(features.shallow)
        return scores.sigmoid()


class _Deployed(Deployed):
    """The wanted heads, each in its form for export."""

    def __init__(self, network: Yolop, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.body = network.body
        parts: dict[str, AnchorHead | AreaBranch] = {
            "boxes": network.boxes,
            "drivable": network.drivable,
            "lane": network.lane,
        }
        self.heads = nn.ModuleDict({name: parts[name].deployed() for name in heads})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.body(images)
        return tuple(
            head(features.shallow if isinstance(head, AreaMask) else features[:3]) for head in self.heads.values()
        )


FAMILY = Family(
    name="yolop",
    title="YOLOP",
    paper="https://arxiv.org/abs/2108.11250",
    licence="MIT",
    variants=("standard",),
    input=InputCard(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), size=(640, 384)),
    build=Yolop,
)
