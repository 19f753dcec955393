"""How DDRNet learns: cross-entropy of the class map, plain, of the hardest pixels or focal, on both of its heads.

Hong et al. 2021, arXiv:2101.06085, section IV: the auxiliary head, which only training has, weighs 0.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from pydantic import field_validator
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UsageError
from sources.datasets.sample import SampleSet
from training.data.batch import Batch
from training.losses.areas import HardPixels, cross_entropy
from training.losses.class_weights import class_pixel_counts, rare_class_weights
from training.networks.ddrnet import HEAD, DDRNet, Logits
from training.networks.network import Network
from training.recipes.recipe import Focus, LossOptions, Recipe, Share, Weight, class_weights


class DDRNetLoss(LossOptions):
    """What is minimised, on both heads alike."""

    kind: Literal["cross_entropy", "ohem", "focal"] = "cross_entropy"
    """ohem: only of the hardest pixels."""
    auxiliary: Weight = 0.4
    """Of the auxiliary head, where the network has one (its option ``auxiliary``); the main one weighs 1."""
    class_weights: Mapping[str, Weight] | Literal["computed"] = {}
    """By name, 1 where not named; computed: from how many pixels of the training masks each class has."""
    hard_below: Share = 0.6
    """ohem: a pixel is hard whose class is given less than this."""
    hard_least: Share = 1 / 16
    """ohem: share of the pixels that is kept at any rate."""
    gamma: Focus = 2.0
    """focal: how much less the easy pixels weigh."""

    @field_validator("class_weights", mode="before")
    @classmethod
    def _named_or_computed(cls, given: object) -> object:
        if isinstance(given, Mapping) or given == "computed":
            return given
        raise ValueError("neither weights by name nor 'computed' → write, say, class_weights: {lane: 2}")


class DDRNetRecipe(Recipe):
    """Losses of a DDRNet's main and auxiliary head."""

    options = DDRNetLoss
    mask_heads = (HEAD,)

    def __init__(self, network: DDRNet, options: DDRNetLoss) -> None:
        self._options = options
        self._classes = len(network.classes)
        self._align_corners = network.align_corners
        named = {} if options.class_weights == "computed" else options.class_weights
        self._class_weights = torch.tensor(class_weights(named, network.classes))

    def prepare(self, samples: SampleSet) -> None:
        """Computes the class weights where they are to be."""
        if self._options.class_weights == "computed":
            self._class_weights = torch.from_numpy(rare_class_weights(class_pixel_counts(samples, HEAD, self._classes)))

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Terms: classes/main and, with an auxiliary head, classes/auxiliary; at the size of the labels."""
        logits: Logits = network(images)
        labels = batch.masks[HEAD]
        terms = {f"{HEAD}/main": self.loss(logits.main, labels)}
        if logits.auxiliary is not None and self._options.auxiliary:
            terms[f"{HEAD}/auxiliary"] = self._options.auxiliary * self.loss(logits.auxiliary, labels)
        return terms

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Unweighted loss of one head, a scalar. logits: (B, C, h, w), of any size. labels: uint8 (B, H, W)."""
        options = self._options
        wide = functional.interpolate(
            logits.float(), size=labels.shape[1:], mode="bilinear", align_corners=self._align_corners
        )
        return cross_entropy(
            wide,
            labels,
            class_weights=self._class_weights.to(wide.device),
            focus=options.gamma if options.kind == "focal" else 0.0,
            hard=HardPixels(options.hard_below, options.hard_least) if options.kind == "ohem" else None,
        )

    @staticmethod
    def build(network: Network, options: LossOptions) -> DDRNetRecipe:
        """A recipe for this network; raises UsageError where a weight is for a class or a head that there is not."""
        made, given = cast("DDRNet", network), cast("DDRNetLoss", options)
        if "auxiliary" in given.model_fields_set and given.auxiliary and made.auxiliary is None:
            raise UsageError("loss: auxiliary: the network has no auxiliary head", "options: {auxiliary: true}")
        return DDRNetRecipe(made, given)
