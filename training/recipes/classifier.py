"""How classifiers learn: cross-entropy with label smoothing (Szegedy et al., arXiv:1512.00567), classes weighted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.datasets.sample import LABEL
from training.data.batch import Batch
from training.networks.network import Network, class_names
from training.recipes.recipe import LossOptions, Recipe

_UNLABELLED = -1


class ClassifierLoss(LossOptions):
    """Of the one term there is."""

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the certainty that goes to all classes alike, so that nothing is ever learnt as quite certain."""
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = {}
    """Class name → how much its pictures count; 1 where not named."""


class ClassifierRecipe(Recipe):
    """The loss of a classifier; pictures without a label teach it nothing."""

    options = ClassifierLoss

    def __init__(self, smoothing: float, weights: Tensor) -> None:
        self._smoothing = smoothing
        self._weights = weights

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Term: label, the mean over the labelled pictures of the batch, by their weights; 0 where none has one."""
        each = functional.cross_entropy(
            network(images).float(),
            batch.labels,
            ignore_index=_UNLABELLED,
            label_smoothing=self._smoothing,
            reduction="none",
        )
        counts = self._weights.to(each.device)[batch.labels.clamp(min=0)] * (batch.labels != _UNLABELLED)
        return {LABEL: (each * counts).sum() / counts.sum().clamp(min=torch.finfo(torch.float32).tiny)}

    @staticmethod
    def build(network: Network, options: LossOptions) -> ClassifierRecipe:
        """A recipe for this network. Raises UsageError where a weight is for a class it does not know."""
        assert isinstance(options, ClassifierLoss)
        names = class_names(network.blueprint, LABEL)
        for name in options.weights:
            if name not in names:
                raise UsageError(f"loss.weights: there is no class {name!r}", did_you_mean(name, names))
        weights = torch.tensor([options.weights.get(name, 1.0) for name in names])
        if not weights.any():
            raise UsageError("loss.weights: no class counts", "leave one above 0")
        return ClassifierRecipe(options.smoothing, weights)
