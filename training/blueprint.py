"""Blueprint and Checkpoint: what a network is, and what a checkpoint of it says, wherever it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.card import InputCard

if TYPE_CHECKING:
    from torch import Tensor

Option = bool | int | float | str
PRETRAINED = "pretrained"
"""Option of families whose fresh networks may start from weights that others publish. Never kept in a checkpoint."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that is needed to build a network again; its weights are kept apart.

    family: a key of ``training.networks.families.FAMILIES``. variant: one of that family's ("n", "23-slim" …).
    classes: head name → class names in the order of their ids. options: what else shapes the network of this
    family, plain values only (each family's file says which it knows); absent ones have that family's defaults.
    """

    family: str
    variant: str
    classes: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """One checkpoint, read: a blueprint, weights under our names, and what is known about them.

    state: our state-dict keys → float32 tensors (integers stay integers) that load strictly into the blueprint's
    network. input: how its authors feed it; ``size`` is (width, height) where they state one. epoch: the last one
    trained, None where the file does not say. notes: one line each, what its user should know.
    """

    blueprint: Blueprint
    state: Mapping[str, Tensor]
    input: InputCard
    origin: str
    licence: str
    epoch: int | None = None
    notes: tuple[str, ...] = ()
