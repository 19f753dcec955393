"""What every family does with a foreign state: hold it against the network it should be, strictly, and take it over.

Messages begin with "of NETWORK, but …": the reader puts the file's name and "is" in front.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import torch

from contracts.errors import EngineError
from training.blueprint import Blueprint
from training.networks.families import build
from training.networks.network import MOST_CLASSES

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_NAME = 200
_MOST_EPOCHS = 1 << 31
CURE = "import the file as its training saved it; a network that was changed cannot be read"


def shapes_of(blueprint: Blueprint) -> dict[str, tuple[int, ...]]:
    """Our keys → shapes of a network, in its order; nothing is allocated."""
    with torch.device("meta"):
        return {key: tuple(tensor.shape) for key, tensor in build(blueprint).state_dict().items()}


def exchanged(
    state: Mapping[str, Tensor],
    theirs: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    called: str,
    dropped: Collection[str] = (),
) -> dict[str, Tensor]:
    """The file's tensors under our keys, in the order of ``shapes``.

    theirs: our key → the file's. shapes: our key → shape. dropped: keys of the file that have no place in ours.
    called: "DDRNet-23". Raises EngineError unless the file holds exactly this network, naming the first tensors that
    are missing, of another shape, or too many.
    """
    missing = [theirs[key] for key in shapes if theirs[key] not in state]
    expected = {*theirs.values(), *dropped}
    strange = [key for key in state if key not in expected]
    other = [
        f"{theirs[key]} {list(state[theirs[key]].shape)} instead of {list(shape)}"
        for key, shape in shapes.items()
        if theirs[key] in state and tuple(state[theirs[key]].shape) != shape
    ]
    found = ((missing, "missing"), (other, "of another shape"), (strange, "unknown"))
    faults = [_fault(keys, what) for keys, what in found if keys]
    if faults:
        raise EngineError(f"of {called}, but {'; '.join(faults)}", CURE)
    return {key: state[theirs[key]] for key in shapes}


def _fault(keys: list[str], what: str) -> str:
    tensors = "1 tensor is" if len(keys) == 1 else f"{len(keys)} tensors are"
    return f"{tensors} {what}, first: {keys[0]}"


def class_total(shape: tuple[int, ...], called: str) -> int:
    """The classes of a layer that has one output each; raises EngineError where no data set has so many."""
    count = shape[0] if shape else 0
    if not 1 <= count <= MOST_CLASSES:
        raise EngineError(f"of {called}, but with {count} classes", f"1 to {MOST_CLASSES} can be named")
    return count


def class_names(value: Any, count: int) -> tuple[str, ...] | None:
    """Class names as these programs keep them, a list or id → name; None where there are not ``count`` of them."""
    if isinstance(value, Mapping):
        value = [value.get(number) for number in range(len(value))]
    if isinstance(value, list | tuple) and len(value) == count and all(is_name(name) for name in value):
        return tuple(value)
    return None


def is_name(value: Any) -> bool:
    """Whether this is text of a length that classes, files and releases are called by."""
    return type(value) is str and len(value) <= _LONGEST_NAME


def last_epoch(facts: Mapping[str, Any]) -> int | None:
    """The last epoch trained, where the file says so; some programs write -1 when training is done."""
    epoch = facts.get("epoch")
    return epoch if type(epoch) is int and 0 <= epoch < _MOST_EPOCHS else None
