"""How TwinLiteNet and TwinLiteNet+ learn: for each mask focal loss and Tversky's index to the power 4/3.

Che, Nguyen, Pham, Lam: TwinLiteNet, 2023; TwinLiteNetPlus, 2024; the power is the focal Tversky loss of Abraham and
Khan, 2018, arXiv:1810.07842.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from training.data.batch import Batch
from training.losses.areas import binary_focal, soft_counts, tversky, two_channels
from training.networks.esp import HEADS, Scores
from training.networks.network import Network
from training.recipes.recipe import Focus, LossOptions, Recipe, Share, Weight


class TwinLiteNetLoss(LossOptions):
    """drivable, lane: weights of the tasks; 0: the head is not taught."""

    drivable: Weight = 1.0
    lane: Weight = 1.0
    drivable_false: Share = 0.7
    """Weight of a wrongly found pixel in Tversky's index; a missed one has the rest of 1."""
    lane_false: Share = 0.9
    power: Focus = 4 / 3
    alpha: Share = 0.25
    """Weight of a pixel's class in the focal loss; the other one has the rest of 1."""
    gamma: Focus = 2.0


class TwinLiteNetRecipe(Recipe):
    """Losses of the two masks."""

    options = TwinLiteNetLoss

    def __init__(self, options: TwinLiteNetLoss) -> None:
        self._options = options
        self._weights = {"drivable": options.drivable, "lane": options.lane}
        self._false = {"drivable": options.drivable_false, "lane": options.lane_false}
        self.mask_heads = tuple(head for head in HEADS if self._weights[head])

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Terms for each mask: …/focal, …/tversky."""
        scores: Scores = network(images)
        terms: dict[str, Tensor] = {}
        for head in self.mask_heads:
            found: Tensor = getattr(scores, head)
            focal, index = self.mask_losses(found.float(), batch.masks[head], self._false[head])
            terms[f"{head}/focal"] = self._weights[head] * focal
            terms[f"{head}/tversky"] = self._weights[head] * index
        return terms

    def mask_losses(self, scores: Tensor, labels: Tensor, false: float) -> tuple[Tensor, Tensor]:
        """Focal and Tversky loss, unweighted scalars. scores: float32 (B, 2, H, W). labels: uint8 (B, H, W).

        As in their program, the focal loss takes each channel's sigmoid, Tversky's index the softmax of both.
        """
        options = self._options
        truth, counted = two_channels(labels)
        focal = binary_focal(scores, truth, counted, alpha=options.alpha, gamma=options.gamma)
        counts = soft_counts(scores.softmax(1), truth, counted)
        index = tversky(counts, false=false, missed=1 - false).mean()
        return focal, index.clamp(min=0) ** options.power

    @staticmethod
    def build(network: Network, options: LossOptions) -> TwinLiteNetRecipe:  # noqa: ARG004 (nothing depends on it)
        """A recipe for this network."""
        return TwinLiteNetRecipe(cast("TwinLiteNetLoss", options))
