"""Small classifiers for tests, with weights of chance."""

from __future__ import annotations

import torch

from sources.datasets.sample import LABEL
from training.blueprint import Blueprint, Option
from training.networks.families import build
from training.networks.network import Network

COLOURS = ("red", "green", "blue")


def classifier(variant: str = "test_resnet", **options: Option) -> Network:
    """A network that tells three colours apart, or will."""
    torch.manual_seed(1)
    return build(Blueprint("classifier", variant, {LABEL: COLOURS}, options))


def settled(network: Network, size: int) -> Network:
    """Its batch norms see some pictures first: fresh ones let the deepest networks fade to nothing."""
    network.train()
    with torch.no_grad():
        network(torch.randn(4, 3, size, size))
    return network.eval()
