"""Several labelled sets as one, with one weight per sample."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.datasets.sample import Sample, SampleSet
from training.config import SetConfig
from training.data.open import open_set


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSets:
    """A SampleSet made of others, one after the other. classes: of every head that any of them labels."""

    sets: tuple[SampleSet, ...]
    classes: Mapping[str, tuple[str, ...]]

    @property
    def groups(self) -> tuple[str, ...]:
        """Of all samples."""
        return tuple(group for each in self.sets for group in each.groups)

    def __len__(self) -> int:
        return sum(len(each) for each in self.sets)

    def __getitem__(self, index: int) -> Sample:
        ends = list(accumulate(len(each) for each in self.sets))
        place = bisect_right(ends, index)
        if not 0 <= index < ends[-1]:
            raise IndexError(index)
        return self.sets[place][index - (ends[place - 1] if place else 0)]


def open_sets(configs: Sequence[SetConfig]) -> JoinedSets:
    """The sets, joined. Raises UsageError where they do not mean the same by a head's ids, or one has no samples."""
    sets = tuple(open_set(config) for config in configs)
    for config, each in zip(configs, sets, strict=True):
        if not len(each):
            raise UsageError(f"the set {config.path} ({config.split}) has no samples", "check path, layout and split")
    return JoinedSets(sets, common_classes(configs, sets))


def common_classes(configs: Sequence[SetConfig], sets: Sequence[SampleSet]) -> Mapping[str, tuple[str, ...]]:
    """Class names of every head that any of the sets labels. Raises UsageError where two do not mean the same."""
    classes: dict[str, tuple[str, ...]] = {}
    said_by: dict[str, SetConfig] = {}
    for config, each in zip(configs, sets, strict=True):
        for head, names in each.classes.items():
            first = classes.setdefault(head, tuple(names))
            if first != tuple(names):
                raise UsageError(
                    f"{said_by[head].path} and {config.path} differ in the classes of {head!r}:"
                    f" {', '.join(first)} / {', '.join(names)}",
                    "bring them together with remap: and classes: of the set",
                )
            said_by.setdefault(head, config)
    return classes


def sample_weights(configs: Sequence[SetConfig], sets: Sequence[SampleSet]) -> NDArray[np.float64]:
    """How often each sample is drawn against the others, float64 (N,). Raises UsageError for an unknown group."""
    found: list[float] = []
    for config, each in zip(configs, sets, strict=True):
        known = set(each.groups)
        for group in config.folder_weights:
            if group not in known:
                raise UsageError(f"{config.path} has no group {group!r}", did_you_mean(group, known))
        found += [config.weight * config.folder_weights.get(group, 1.0) for group in each.groups]
    weights = np.array(found, np.float64)
    if not weights.any():
        raise UsageError("every sample has the weight 0", "raise folder_weights of a group")
    return weights
