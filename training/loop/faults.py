"""What torch raises where a choice of the configuration cannot work, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from contracts.errors import EngineError, UsageError

_LONE = "Expected more than 1 value per channel when training"
"""How batch norm begins to say that it has no statistics of one value."""


@contextmanager
def explained(device: torch.device, *, compiled: bool) -> Iterator[None]:
    """Around a step. Raises UsageError (batch norm cannot learn from so few) and EngineError (memory, compiler)."""
    try:
        yield
    except ValueError as fault:
        if not str(fault).startswith(_LONE):
            raise
        raise UsageError(
            "batch: so few pictures at once have no statistics for batch norm", "raise batch:, or freeze_norm: true"
        ) from fault
    except torch.OutOfMemoryError as fault:
        raise EngineError(
            f"a step needs more memory than {device} has left",
            "lower batch: and raise accumulate:, or lower input.size",
        ) from fault
    except RuntimeError as fault:
        if not compiled or not _is_of_compiler(fault):
            raise
        raise EngineError(
            f"torch.compile cannot compile the network: {str(fault).splitlines()[0]}",
            "install a C++ compiler (g++), or compile: false",
        ) from fault


def _is_of_compiler(fault: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException  # slow to import, and there already where it was raised

    return isinstance(fault, TorchDynamoException)
