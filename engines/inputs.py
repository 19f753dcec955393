"""What a network's input wants: its layout, its size, and whether card and tensors agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.errors import EngineError
from contracts.pool import Pool
from contracts.protocols import Tensors
from contracts.tensor import TensorSpec

_DTYPES = ("float32", "float16", "bfloat16", "uint8")


def resolve_input(card: Card, inputs: Sequence[TensorSpec]) -> TensorSpec:
    """The one input with everything open filled in from the card: shape without -1, layout "NCHW" or "NHWC".

    ``inputs`` are what the file says (-1: open), or an engine's own, which come back as they are. Raises EngineError
    naming both sides where file and card disagree, and where the network wants what no camera picture can be.
    """
    spec = _only_input(card, inputs)
    layout = _layout(card, spec)
    height, width = spec.shape[2:4] if layout == "NCHW" else spec.shape[1:3]
    width, height = _size(card, spec, width, height)
    if not spec.layout:  # an engine that takes plain bytes does the card's arithmetic itself
        _check_pixels(card, spec)
    shape = (1, 3, height, width) if layout == "NCHW" else (1, height, width, 3)
    return TensorSpec(spec.name, shape, spec.dtype, layout)


def size_of(spec: TensorSpec) -> tuple[int, int]:
    """(width, height) of a resolved input."""
    height, width = spec.shape[2:4] if spec.layout == "NCHW" else spec.shape[1:3]
    return width, height


def _only_input(card: Card, inputs: Sequence[TensorSpec]) -> TensorSpec:
    if len(inputs) != 1:
        names = ", ".join(map(str, inputs)) or "none"
        raise EngineError(
            f"card {card.name!r} feeds one picture, but the network has {len(inputs)} inputs: {names}",
            "export the network with a single image input",
        )
    if card.input.name not in (None, inputs[0].name):
        raise EngineError(
            f"card {card.name!r} names the input {card.input.name!r}, but the network's is {inputs[0].name!r}",
            "mend input.name in the card, or leave it out",
        )
    return inputs[0]


def _layout(card: Card, spec: TensorSpec) -> str:
    """Where the three channels are; an open shape is read as NCHW, which is what exporters write."""
    if len(spec.shape) == 4 and spec.shape[0] in (-1, 1):
        if spec.shape[1] == 3 or (spec.shape[1] == -1 and spec.shape[3] != 3):
            return "NCHW"
        if spec.shape[3] == 3:
            return "NHWC"
    raise EngineError(
        f"card {card.name!r} feeds one picture of 3 channels, but the network's input is {spec}",
        "export the network with input [1,3,height,width]",
    )


def _size(card: Card, spec: TensorSpec, width: int, height: int) -> tuple[int, int]:
    wanted = card.input.size
    if wanted is None:
        if width < 1 or height < 1:
            raise EngineError(
                f"card {card.name!r} gives no input size and the network leaves it open: {spec}",
                "write `size: [width, height]` under `input:` in the card (--card)",
            )
        return width, height
    if width not in (-1, wanted[0]) or height not in (-1, wanted[1]):
        raise EngineError(
            f"card {card.name!r} says input size {wanted[0]}x{wanted[1]} (width x height), but the network is {spec}",
            "mend input.size in the card, or leave it out",
        )
    return wanted


def _check_pixels(card: Card, spec: TensorSpec) -> None:
    """Refuses dtypes without a meaning for pixels, and arithmetic in the card where the network takes raw bytes."""
    if spec.dtype not in _DTYPES:
        raise EngineError(
            f"the network's input {spec} is neither a float nor uint8, so card {card.name!r} cannot feed it pixels",
            "export the network with a float32 input",
        )
    given = card.input
    arithmetic = (given.scale, given.mean, given.std) != (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    if spec.dtype == "uint8" and arithmetic:
        raise EngineError(
            f"card {card.name!r} scales pixels (scale {given.scale:g}), but the network takes raw bytes: {spec}",
            "write `scale: 1` and no mean and std under `input:` in the card",
        )


def buffer_for(engine: str, spec: TensorSpec, asked: TensorSpec, pool: Pool) -> NDArray[Any]:
    """An array for the engine's one input, which ``asked`` has to be; raises EngineError."""
    if asked != spec:
        raise EngineError(f"engine {engine} has no input {asked}", f"its input is {spec}")
    return pool.take()


def tensor_for(engine: str, spec: TensorSpec, tensors: Tensors) -> NDArray[Any]:
    """What ``submit`` was given for ``spec``, contiguous; raises EngineError where it is not what the input wants."""
    if set(tensors) != {spec.name}:
        given = ", ".join(tensors) or "nothing"
        raise EngineError(f"engine {engine} wants a tensor named {spec.name!r}, but was given {given}", "see inputs")
    array = tensors[spec.name]
    if array.shape != spec.shape or array.dtype != spec.dtype:
        raise EngineError(
            f"engine {engine} wants {spec}, but was given {array.dtype} {list(array.shape)}", "see inputs"
        )
    return np.ascontiguousarray(array)
