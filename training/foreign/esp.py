"""Checkpoints of the TwinLiteNet code bases: the names both families share, and the strict comparison with ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.blueprint import Blueprint
from training.foreign.content import Content
from training.foreign.exchange import exchanged, shapes_of

if TYPE_CHECKING:
    from torch import Tensor

Names = Mapping[str, str]
"""Ours → theirs, dotted paths."""

CONVOLUTION: Names = {"convolution": "conv", "norm": "bn", "activation": "act"}
DOUBLING: Names = {"convolution": "deconv", "norm": "bn", "activation": "act"}
_BRANCHES: Names = {"branches.0": "d1", "branches.1": "d2", "branches.2": "d4", "branches.3": "d8", "branches.4": "d16"}
_CONVOLUTIONS: Names = {"reduce": "c1.conv", **{ours: f"{theirs}.conv" for ours, theirs in _BRANCHES.items()}}
ESP_DOWN: Names = {**_CONVOLUTIONS, "norm": "bn", "activation": "act"}
ESP_BLOCK: Names = {**_CONVOLUTIONS, "norm": "bn.bn", "activation": "bn.act"}
ESP_SEPARABLE_BLOCK: Names = {"reduce": "c1", **_BRANCHES, "norm": "bn.bn", "activation": "bn.act"}


@dataclass(frozen=True, slots=True)
class Module:
    """Their name of one module of ours. parts: the names inside it."""

    theirs: str
    parts: Names


Table = Mapping[str, Module]
"""Our module → theirs; no name is the beginning of another one's path."""


def encoder(blocks: tuple[int, int], block: Names) -> dict[str, Module]:
    """The encoder's modules. blocks: how many ESP blocks its two stages have."""
    return {
        "encoder.stem": Module("encoder.level1", CONVOLUTION),
        "encoder.merge_half": Module("encoder.b1", CONVOLUTION),
        "encoder.down_middle": Module("encoder.level2_0", ESP_DOWN),
        **{f"encoder.middle.{i}": Module(f"encoder.level2.{i}", block) for i in range(blocks[0])},
        "encoder.merge_quarter": Module("encoder.b2", CONVOLUTION),
        "encoder.down_deep": Module("encoder.level3_0", ESP_DOWN),
        **{f"encoder.deep.{i}": Module(f"encoder.level3.{i}", block) for i in range(blocks[1])},
        "encoder.merge_deep": Module("encoder.b3", CONVOLUTION),
    }


def their_key(key: str, table: Table) -> str:
    """The file's key for one of ours; raises KeyError where the table has a hole."""
    for ours, module in table.items():
        rest = key.removeprefix(f"{ours}.")
        if rest != key:
            for part, name in module.parts.items():
                if rest == part or rest.startswith(f"{part}."):
                    return f"{module.theirs}.{name}{rest.removeprefix(part)}"
    raise KeyError(key)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that a file may hold. called: as people know it. keys: our key → (the file's, its shape)."""

    blueprint: Blueprint
    called: str
    keys: Mapping[str, tuple[str, tuple[int, ...]]]

    def fitting(self, content: Content) -> int:
        """How many of its tensors the file has, in the right shape."""
        return sum(content.shape(theirs) == shape and theirs in content.state for theirs, shape in self.keys.values())

    def state(self, content: Content) -> dict[str, Tensor]:
        """The file's tensors under our keys; raises EngineError unless it holds exactly this network."""
        theirs = {ours: name for ours, (name, _) in self.keys.items()}
        shapes = {ours: shape for ours, (_, shape) in self.keys.items()}
        return exchanged(content.state, theirs, shapes, self.called)


def candidate(blueprint: Blueprint, called: str, table: Table) -> Candidate:
    """The network of this blueprint in the file's words."""
    shapes = shapes_of(blueprint)
    return Candidate(blueprint, called, {key: (their_key(key, table), shape) for key, shape in shapes.items()})


def has_modules(content: Content, names: Iterable[str]) -> bool:
    """Whether the file has tensors of every one of these modules."""
    return all(any(key.startswith(f"{name}.") for key in content.state) for name in names)
