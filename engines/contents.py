"""What a network file says about itself: its inputs, its outputs and the texts in it. Nothing is compiled or run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.tensor import TensorSpec
from engines.files import require_readable


@dataclass(frozen=True, slots=True)
class Contents:
    """inputs, outputs: as the file has them, -1 where open. texts: ONNX metadata, or an IR's rt_info."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    texts: Mapping[str, str]


def contents_of(file: Path) -> Contents:
    """Reads a network file; raises EngineError where it is none.

    ONNX files are read by ONNX Runtime, which keeps the very names of the file; OpenVINO may know an output by others.
    """
    require_readable(file)
    if file.suffix.lower() == ".onnx":
        from engines.onnxruntime import read_contents
    else:
        from engines.openvino import read_contents
    return read_contents(file)
