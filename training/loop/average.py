"""Averaged weights: what is validated and given away (Polyak & Juditsky 1992, as a moving average)."""

from __future__ import annotations

import copy
import math

import torch

from training.networks.network import Network

_RAMP_STEPS = 2000
"""Steps in which the decay grows to 1 - 1/e of itself: early weights are soon forgotten."""


class Average:
    """A moving average of a network's parameters; its buffers (norms' statistics) are copied, not averaged."""

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        """After a step, 0 …: mean ← d mean + (1 - d) weights, with d = decay (1 - exp(-(step + 1) / 2000))."""
        weight = 1 - self._decay * (1 - math.exp(-(step + 1) / _RAMP_STEPS))
        for mean, parameter in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(parameter, weight)
        for kept, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(buffer)
