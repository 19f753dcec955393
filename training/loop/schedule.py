"""How large each step is: warm-up, then down."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.config import OptimizerConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate by step. steps: of the whole training. warm_up: steps of it that only grow."""

    config: OptimizerConfig
    steps: int
    warm_up: int

    @classmethod
    def of(cls, config: OptimizerConfig, epochs: int, steps_per_epoch: int) -> Schedule:
        """The schedule of a training of so many epochs."""
        return cls(config, epochs * steps_per_epoch, round(config.warm_up_epochs * steps_per_epoch))

    def rate(self, step: int) -> float:
        """Learning rate of a step, 0 … steps - 1.

        Warm-up: linear, the whole rate at its last step. Then with p from 0 to 1 over the rest and r the share left
        at the end: cosine r + (1 - r)(1 + cos πp)/2 (Loshchilov & Hutter, "SGDR", 2017, one cycle), polynomial
        r + (1 - r)(1 - p)^power, or constant.
        """
        config = self.config
        if step < self.warm_up:
            return config.learning_rate * (step + 1) / self.warm_up
        passed = min((step - self.warm_up) / max(self.steps - 1 - self.warm_up, 1), 1.0)
        if config.schedule == "constant":
            return config.learning_rate
        if config.schedule == "cosine":
            share = (1 + math.cos(math.pi * passed)) / 2
        else:
            share = math.pow(1 - passed, config.power)
        return config.learning_rate * (config.last_rate + (1 - config.last_rate) * share)
