"""How A-YOLOM learns: task-aligned boxes with binned distances, and Tversky with focal loss for each mask.

Weights are those of Wang, Wu, Zhang 2024 (``training/networks/ayolom.py``). Their program multiplies every head's
loss by the batch size; here a loss is a mean, so that one learning rate and one gradient clip serve every batch size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sources.datasets.sample import BOXES
from training.data.batch import Batch
from training.losses.areas import SoftCounts, binary_focal, soft_counts, tversky, two_channels
from training.losses.boxes import BoxLoss
from training.networks.ayolom import Raw
from training.networks.network import Network, class_names
from training.networks.yolo8_blocks import BINS, STRIDES, cell_centres, decoded
from training.recipes.recipe import Focus, LossOptions, Recipe, Share, Weight, class_weights

_MASKS = ("drivable", "lane")


class AYolomLoss(LossOptions):
    """boxes, drivable, lane: weights of the tasks; 0: the head is not taught. The others weigh within a task."""

    boxes: Weight = 1.0
    drivable: Weight = 1.0
    lane: Weight = 1.0
    box: Weight = 7.5
    classes: Weight = 0.5
    bins: Weight = 1.5
    class_weights: Mapping[str, Weight] = {}
    """Of classes of boxes, by name; 1 where not named."""
    tversky: Weight = 8.0
    false: Share = 0.3
    """Weight of a wrongly found pixel in Tversky's index; a missed one has the rest of 1."""
    focal: Weight = 24.0
    alpha: Share = 0.25
    """Weight of foreground in the focal loss; background has the rest of 1."""
    gamma: Focus = 2.0


class AYolomRecipe(Recipe):
    """Losses of A-YOLOM's three heads."""

    options = AYolomLoss

    def __init__(self, options: AYolomLoss, classes: Sequence[str]) -> None:
        self._options = options
        self._weights = {head: float(getattr(options, head)) for head in (BOXES, *_MASKS)}
        self.mask_heads = tuple(head for head in _MASKS if self._weights[head])
        self._boxes = BoxLoss(options.box, options.classes, options.bins, class_weights(options.class_weights, classes))

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Terms: boxes/box, boxes/class, boxes/dfl, and for each mask …/tversky, …/focal."""
        raw: Raw = network(images)
        terms: dict[str, Tensor] = {}
        if self._weights[BOXES]:
            terms |= {f"{BOXES}/{name}": term for name, term in self._box_terms(raw.boxes, batch).items()}
        for head in self.mask_heads:
            scores: Tensor = getattr(raw, head)
            terms |= {f"{head}/{name}": term for name, term in self._mask_terms(scores, batch.masks[head]).items()}
        return {name: self._weights[name.split("/")[0]] * term for name, term in terms.items()}

    def _box_terms(self, levels: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """levels: as in Raw."""
        levels = tuple(level.float() for level in levels)
        pairs = list(zip(levels, STRIDES, strict=True))
        points = torch.cat([cell_centres(level).T * stride for level, stride in pairs])
        strides = torch.cat([level.new_full((level.shape[2] * level.shape[3],), stride) for level, stride in pairs])
        outputs = torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)  # (B, P, 64 + classes)
        centre, size = decoded([level[:, : 4 * BINS] for level in levels]).transpose(1, 2).chunk(2, dim=2)
        boxes = torch.cat([centre - size / 2, centre + size / 2], dim=2)
        logits, bins = outputs[:, :, 4 * BINS :], outputs[:, :, : 4 * BINS]
        return self._boxes(points, strides, boxes, logits, batch, bins=bins)

    def _mask_terms(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """scores: (B, 2, H, W). Tversky's index is one for both channels together, smoothed by 1, as its authors do."""
        options, scores = self._options, scores.float()
        truth, counted = two_channels(labels)
        both = SoftCounts(*(each.sum() for each in soft_counts(scores.sigmoid(), truth, counted)))
        focal = binary_focal(scores, truth, counted, alpha=options.alpha, gamma=options.gamma) / 2  # mean of channels
        return {
            "tversky": options.tversky * tversky(both, false=options.false, missed=1 - options.false, smooth=1.0),
            "focal": options.focal * focal,
        }

    @staticmethod
    def build(network: Network, options: LossOptions) -> AYolomRecipe:
        """A recipe for this network; raises UsageError where a weight is for a class that there is not."""
        return AYolomRecipe(cast("AYolomLoss", options), class_names(network.blueprint, BOXES))
