"""Finds a head's output among the network's outputs and refuses what does not fit the card."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.protocols import Tensors
from contracts.text import did_you_mean


def only_output(head: HeadCard, outputs: Tensors) -> NDArray[Any]:
    """The one output a head of one tensor reads: the card's, else the only one there is. Raises EngineError."""
    names = head.outputs or tuple(outputs)
    if len(names) != 1:
        raise EngineError(
            f"head {head.name!r}: {head.kind} reads one output tensor, not {len(names)} ({', '.join(names)})",
            "name one in the card: `outputs: [NAME]`",
        )
    if names[0] not in outputs:
        raise EngineError(
            f"head {head.name!r}: the network has no output {names[0]!r}", did_you_mean(names[0], outputs)
        )
    return outputs[names[0]]


def float_output(head: HeadCard, outputs: Tensors, wanted: str) -> NDArray[np.float32]:
    """The one output as float32; float16, which NumPy computes slowly, is converted. Raises EngineError."""
    return as_float(head, only_output(head, outputs), wanted)


def as_float(head: HeadCard, tensor: NDArray[Any], wanted: str) -> NDArray[np.float32]:
    """As ``float_output``, for one of several outputs."""
    if tensor.dtype not in (np.float32, np.float16):
        raise misfit(head, tensor, wanted)
    return tensor.astype(np.float32, copy=False)


def misfit(head: HeadCard, tensor: NDArray[Any], wanted: str) -> EngineError:
    """The error for an output of another shape or type than the head's kind has."""
    return EngineError(
        f"head {head.name!r}: {head.kind} wants {wanted}, the network gives {tensor.dtype} {list(tensor.shape)}",
        "correct kind, outputs or classes in the card",
    )
