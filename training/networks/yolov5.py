"""YOLOv5: boxes relative to anchors. Ultralytics (G. Jocher), releases 4.0 to 7.0, doi:10.5281/zenodo.3908559.

Option ``pooling_first`` (default false): the body of releases 4.0 and 5.0, in which the pooling pyramid comes before
the last backbone stage and the second stage has half as many bottlenecks again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks.anchor_head import AnchorHead, Anchors
from training.networks.blocks import folded
from training.networks.csp_blocks import Body, BodyPlan, CrossStage
from training.networks.network import Deployed, Family, Network, class_names

SCALES = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Variant → (share of the bottlenecks, share of the channels) of the large one."""
_ANCHORS: Anchors = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))


def plan(variant: str, *, pooling_first: bool) -> BodyPlan:
    """The body of a variant."""
    depth, width = SCALES[variant]
    half, quarter, eighth, sixteenth, last = (int(count * width) for count in (64, 128, 256, 512, 1024))
    few, some, many = (max(round(count * depth), 1) for count in (3, 6, 9))
    return BodyPlan(
        channels=(half, quarter, eighth, sixteenth, last),
        repeats=(few, many if pooling_first else some, many, few),
        neck_repeats=few,
        pooling_first=pooling_first,
        stage=CrossStage,
        activation=nn.SiLU,
    )


class Yolov5Outputs(NamedTuple):
    """levels: raw values (B, 3, h, w, 5 + C) at 1/8, 1/16, 1/32."""

    levels: tuple[Tensor, ...]


class Yolov5(Network):
    """YOLOv5 of one variant: images → Yolov5Outputs."""

    stride = (32, 32)

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        body = plan(blueprint.variant, pooling_first=bool(blueprint.options.get("pooling_first", False)))
        self.body = Body(body)
        self.boxes = AnchorHead(body.channels[2:], len(class_names(blueprint, "boxes")), _ANCHORS)

    def forward(self, images: Tensor) -> Yolov5Outputs:
        """(B, 3, H, W) → raw levels."""
        features = self.body(images)
        return Yolov5Outputs(self.boxes(features[:3]))

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """The boxes."""
        return (
            HeadCard(name="boxes", kind="anchor_boxes", outputs=("boxes",), classes=self.blueprint.classes["boxes"]),
        )

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Boxes (B, N, 5 + C)."""
        return _Plain(copy.deepcopy(self).eval(), heads)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """Boxes (B, N, 5 + C), batch norms folded, decoded in one expression."""
        return _Deployed(folded(self), heads)


class _Plain(Deployed):
    def __init__(self, network: Yolov5, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.network.boxes.decode(self.network(images).levels),)


class _Deployed(Deployed):
    def __init__(self, network: Yolov5, heads: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.body = network.body
        self.boxes = network.boxes.deployed()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.boxes(self.body(images)[:3]),)


FAMILY = Family(
    name="yolov5",
    title="YOLOv5",
    paper="https://doi.org/10.5281/zenodo.3908559",
    licence="AGPL-3.0 (GPL-3.0 up to release 7.0)",
    variants=tuple(SCALES),
    input=InputCard(size=(640, 640)),
    build=Yolov5,
    options=("pooling_first",),
)
