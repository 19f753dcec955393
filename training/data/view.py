"""View: a set as configured: its ids remapped, its classes named, some of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UsageError
from contracts.picture import Pixels
from contracts.text import did_you_mean
from sources.datasets.sample import BOXES, LABEL, UNCOUNTED, Sample, SampleSet, require_known
from training.config import SetConfig

EVERYWHERE = "*"
"""In a remap: every folder; what is said of the folder itself comes first."""

Remap = Mapping[str, Mapping[str, Mapping[int, int]]]
"""Head → folder or ``*`` → {id in the files: id that is meant}."""


@dataclass(frozen=True, slots=True)
class View:
    """Samples of ``base`` at ``indices``; groups are theirs.

    Every id given out is one of its classes, else reading raises SourceError.
    """

    base: SampleSet
    classes: Mapping[str, tuple[str, ...]]
    remap: Remap
    indices: tuple[int, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        place = self.indices[index]
        sample = remapped(self.base[place], self.remap, self.groups[index]) if self.remap else self.base[place]
        require_known(sample, self.classes)
        return sample


def viewed(base: SampleSet, config: SetConfig) -> View:
    """The set as configured. Raises UsageError where heads or folders are named that it does not have."""
    for head in (*config.classes, *config.remap):
        if head not in base.classes:
            raise UsageError(f"{config.path} has no head {head!r}", did_you_mean(head, base.classes))
    groups = base.groups
    known = {*groups, EVERYWHERE}
    for folder in {folder for folders in config.remap.values() for folder in folders} - known:
        raise UsageError(f"remap: {config.path} has no folder {folder!r}", did_you_mean(folder, known))
    number = len(base)
    most = min(number, config.most or number)
    indices = tuple(index * number // most for index in range(most))
    chosen = tuple(groups[index] for index in indices)
    return View(base, {**base.classes, **config.classes}, config.remap, indices, chosen)


def rules_of(remap: Remap, head: str, group: str) -> dict[int, int]:
    """What happens to the ids of a head in a folder."""
    folders = remap.get(head, {})
    return {**folders.get(EVERYWHERE, {}), **folders.get(group, {})}


def remapped(sample: Sample, remap: Remap, group: str) -> Sample:
    """The sample with other ids; 255 means: does not count."""
    masks = {head: remapped_mask(mask, rules_of(remap, head, group)) for head, mask in sample.masks.items()}
    ids = remapped_ids(sample.class_ids, rules_of(remap, BOXES, group))
    label = sample.label
    if label is not None:
        label = rules_of(remap, LABEL, group).get(label, label)
    return replace(
        sample,
        masks=masks,
        class_ids=ids,
        counts=sample.counts & (ids != UNCOUNTED),
        label=None if label == UNCOUNTED else label,
    )


def remapped_ids(ids: NDArray[np.int64], rules: Mapping[int, int]) -> NDArray[np.int64]:
    """Ids of boxes with other ids, all at once."""
    changed = ids.copy()
    for old, new in rules.items():
        changed[ids == old] = new
    return changed


def remapped_mask(mask: Pixels, rules: Mapping[int, int]) -> Pixels:
    """The mask with other ids, all at once (so that two can change places). Raises UsageError for ids above 255."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in rules.items():
        if not (0 <= old <= 255 and 0 <= new <= 255):
            raise UsageError(f"remap {old}: {new}: ids of a mask are 0 to 255", "mend it")
        table[old] = new
    changed: Pixels = table[mask] if rules else mask
    return changed
