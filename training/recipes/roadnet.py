"""How RoadNet learns: task-aligned boxes, and for each mask cross-entropy with soft dice at half the input's size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sources.datasets.sample import BOXES, UNCOUNTED
from training.data.batch import Batch
from training.losses.boxes import BoxLoss
from training.networks.network import Network
from training.networks.roadnet import BOX_STRIDE, MASKS, Raw, cells, decoded_corners
from training.recipes.recipe import LossOptions, Recipe, Weight


class RoadNetLoss(LossOptions):
    """Weights of the terms; boxes as in A-YOLOM, masks so that their gradients are of the same size."""

    box: Weight = 7.5
    classes: Weight = 1.0
    drivable: Weight = 2.0
    lane: Weight = 3.0
    lane_foreground: Weight = 4.0
    """How much more a lane pixel weighs than one beside it: there are some fifty times fewer."""


class RoadNetRecipe(Recipe):
    """Losses of RoadNet's three heads."""

    options = RoadNetLoss
    mask_heads = MASKS

    def __init__(self, options: RoadNetLoss) -> None:
        self._options = options
        self._boxes = BoxLoss(box=options.box, classes=options.classes)

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Terms: boxes/box, boxes/class, drivable, lane."""
        raw = Raw(*(tensor.float() for tensor in network(images)))
        points = cells(raw.boxes.shape[2], raw.boxes.shape[3], raw.boxes.device) * BOX_STRIDE
        strides = torch.full_like(points[:, 0], BOX_STRIDE)
        logits = raw.boxes[:, 4:].flatten(2).transpose(1, 2)
        terms = {
            f"{BOXES}/{name}": term
            for name, term in self._boxes(points, strides, decoded_corners(raw.boxes), logits, batch).items()
        }
        drivable = area_loss(raw.drivable, batch.masks["drivable"], 1.0)
        lane = area_loss(raw.lane, batch.masks["lane"], self._options.lane_foreground)
        return terms | {"drivable": self._options.drivable * drivable, "lane": self._options.lane * lane}

    @staticmethod
    def build(network: Network, options: LossOptions) -> RoadNetRecipe:  # noqa: ARG004  # all are built alike
        """A recipe for this network."""
        return RoadNetRecipe(cast("RoadNetLoss", options))


def area_loss(logits: Tensor, mask: Tensor, foreground: float) -> Tensor:
    """Cross-entropy plus 1 - soft dice (Milletari et al., arXiv:1606.04797), over the pixels that count: a scalar.

    logits: float32 (B, 1, H/2, W/2). mask: uint8 (B, H, W) of 0, 1 and 255. A cell's target is the share of its four
    pixels that are set, of those that count. foreground: weight of set pixels in the cross-entropy.
    """
    counted = functional.avg_pool2d((mask != UNCOUNTED).float()[:, None], 2)
    share = functional.avg_pool2d((mask == 1).float()[:, None], 2) / counted.clamp(min=0.25)
    weight = (counted > 0).float()
    total = weight.sum().clamp(min=1.0)
    entropy = functional.binary_cross_entropy_with_logits(
        logits, share, weight=weight * (1 + (foreground - 1) * share), reduction="sum"
    )
    seen = logits.sigmoid() * weight
    overlap = (2 * (seen * share).sum() + 1) / (seen.sum() + (share * weight).sum() + 1)
    return entropy / total + 1 - overlap
