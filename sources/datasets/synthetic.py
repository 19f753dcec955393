"""The layout ``synthetic``: frames of the drive that RoadStream renders, with its exact truth.

``path`` is an address as on the command line, ``synthetic:night?seed=7&size=640x360&seconds=20&fps=2``: a low rate
gives frames that differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from contracts.prediction import Detections, Mask
from sources.datasets.place import Where
from sources.datasets.sample import BOXES, Sample
from sources.synthetic.address import Address
from sources.synthetic.drive import SyntheticDrive
from sources.synthetic.models import CLASSES as ROAD_USERS

CLASSES = {BOXES: ROAD_USERS, "drivable": ("background", "drivable"), "lane": ("background", "lane")}


@dataclass(frozen=True, slots=True)
class SyntheticSet:
    """One drive, its frames by index."""

    address: Address

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Five kinds of road users, two masks."""
        return CLASSES

    @property
    def groups(self) -> tuple[str, ...]:
        """One drive, one group."""
        return (f"{self.address.look}-{self.address.seed}",) * len(self)

    def __len__(self) -> int:
        return self.address.frames

    def __getitem__(self, index: int) -> Sample:
        pixels, truth = _drive(self.address).render(index)
        boxes = truth["boxes"]
        masks = {head: part.data for head, part in truth.items() if isinstance(part, Mask)}
        assert isinstance(boxes, Detections)
        count = np.ones(len(boxes), np.bool_)
        name = f"{self.groups[0]}/{index:05}"
        return Sample(name, pixels, boxes.boxes, boxes.class_ids.astype(np.int64), count, masks)


@lru_cache(maxsize=64)
def _drive(address: Address) -> SyntheticDrive:
    """Kept per process (some 30 MB each): laying out a drive takes as long as rendering 200 frames of it."""
    return SyntheticDrive(address.look, address.seed, (address.width, address.height), address.fps)


def open_set(where: Where) -> SyntheticSet:
    """The drive of this address; raises UsageError."""
    return SyntheticSet(Address.parse(where.path))
