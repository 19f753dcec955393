"""The processes that train together: one, or as many as torchrun started; which of them this is, and its device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from contracts.errors import UsageError

_LONGEST_WAIT = timedelta(hours=2)
"""For the others; the longest wait is for the first process while it validates."""


@dataclass(frozen=True, slots=True)
class Processes:
    """rank: which one this is, 0 … count - 1. device: where it computes."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this one validates, writes and speaks."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all must ask at the same place (a sync point of several)."""
        if self.count == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags.item())

    def from_first(self, values: Sequence[float]) -> list[float]:
        """The values of the first process, in all of them; as many in each (a sync point of several)."""
        if self.count == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        found: list[float] = shared.tolist()
        return found


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """This process among those of torchrun (whose environment variables say so), else alone. Raises UsageError.

    device: as ``TrainConfig.device`` has it; of several processes each takes its own CUDA device.
    """
    count, rank, local = (int(os.environ.get(name, "0")) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    if count <= 1:
        yield Processes(0, 1, chosen_device(device))
        return
    place = chosen_device(device)
    if place.type == "cuda":
        place = chosen_device(f"cuda:{local}")
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=_LONGEST_WAIT)
    try:
        yield Processes(rank, count, place)
    finally:
        distributed.destroy_process_group()


def chosen_device(name: str) -> torch.device:
    """The device of this name, ``auto`` decided; raises UsageError where this machine has none such."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as fault:
        raise UsageError(f"there is no device {name!r}", "cpu, cuda or cuda:1 …") from fault
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"training on {name!r} is not possible", "cpu, cuda or cuda:1 …")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise UsageError(f"device {name!r} is not there: this torch sees {found} CUDA devices", "device: cpu, or auto")
    return device
