"""TensorSpec: one input or output of a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape (-1: dynamic), NumPy dtype name and layout ("NCHW", "NHWC" or "" for outputs) of one tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str = ""

    def __str__(self) -> str:
        sizes = ",".join("?" if size < 0 else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{sizes}]"
