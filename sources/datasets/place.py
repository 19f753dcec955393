"""Place: which labelled pictures are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Where(Protocol):
    """What a reader asks: a ``Place``, or a training's ``SetConfig``."""

    @property
    def path(self) -> str:
        """Folder or file of the set, ``synthetic:…`` for the drive that RoadStream renders."""

    @property
    def layout(self) -> str:
        """How it lies on disk, a key of ``LAYOUTS``."""

    @property
    def split(self) -> str:
        """train, val or test, where the layout has them."""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Head → class names in the order of ids, where the set itself does not say them."""


@dataclass(frozen=True, slots=True)
class Place:
    """The plainest ``Where``."""

    path: str
    layout: str
    split: str = "train"
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
