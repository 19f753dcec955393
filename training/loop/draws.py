"""Which sample comes when: decided by seed and epoch alone, so that a resumed training goes on with the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample, drawn. index: in its set. number: of this draw in the whole training, what its augmentation is of."""

    index: int
    number: int
    mosaic: bool


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All draws of a training.

    weights: float64 (N,), how often each sample is drawn, against the others. samples: least number of draws per
    epoch; filled up to whole steps. batch: samples per batch. accumulate: batches per step. mosaic_epochs: the first
    so many may see several pictures in one.
    """

    weights: NDArray[np.float64]
    samples: int
    batch: int
    accumulate: int
    epochs: int
    mosaic_epochs: int
    seed: int

    @property
    def steps(self) -> int:
        """Per epoch."""
        return -(-self.samples // (self.batch * self.accumulate))

    def batches(self, epoch: int, step: int = 0) -> Iterator[tuple[Draw, ...]]:
        """The batches from the given step of an epoch to the end of the training."""
        for each in range(epoch, self.epochs):
            yield from self._epoch(each, step if each == epoch else 0)

    def _epoch(self, epoch: int, step: int) -> Iterator[tuple[Draw, ...]]:
        per_epoch = self.steps * self.accumulate * self.batch
        generator = np.random.default_rng((self.seed, epoch))
        order = drawn(self.weights, per_epoch, generator)
        mosaic = epoch < self.mosaic_epochs
        for start in range(step * self.accumulate * self.batch, per_epoch, self.batch):
            yield tuple(
                Draw(int(order[place]), epoch * per_epoch + place, mosaic) for place in range(start, start + self.batch)
            )


def drawn(weights: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """``count`` indices in random order, each as often as its share of all weights says, rounded up or down.

    Systematic sampling: the samples lie end to end in random order, each as long as its weight, and a comb of
    ``count`` teeth at a random offset is laid over them. With equal weights and ``count`` as many as there are, each
    is drawn once. int64 (count,).
    """
    lying = generator.permutation(len(weights))
    ends = np.cumsum(weights[lying])
    teeth = (np.arange(count) + generator.uniform(0.001, 0.999)) * (ends[-1] / count)
    found = lying[np.minimum(np.searchsorted(ends, teeth, side="right"), len(weights) - 1)]
    return generator.permutation(found)
