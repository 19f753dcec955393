"""The network in the box: what a run takes when it is given none."""

from __future__ import annotations

from pathlib import Path

from contracts.config import EngineConfig

_WEIGHTS = Path(__file__).parent / "weights"
FLOAT = _WEIGHTS / "roadnet.onnx"
"""The reference, for every runtime; what a run falls back to."""
INT8 = _WEIGHTS / "roadnet-int8.xml"
"""The same for OpenVINO, four times smaller and faster."""


def embedded_engine(backend: str | None, precision: str | None) -> EngineConfig:
    """The embedded network for a runtime; ``None`` and "auto" mean OpenVINO's int8 file.

    Its few float layers run in fp32 unless bf16 is asked for: that costs nothing here, and now and then OpenVINO
    2026.4 compiles int8 beside bf16 into a network that sees nothing.
    """
    if backend == "onnxruntime":
        return EngineConfig(file=FLOAT)
    return EngineConfig(file=INT8, precision="bf16" if precision == "bf16" else "fp32")


def embedded_float(backend: str | None) -> EngineConfig:
    """What stands in for the int8 file where that is no good: the float file, run as the gate ran it, in fp32.

    OpenVINO only where it is asked for: it may be what cannot run here.
    """
    return EngineConfig(file=FLOAT, backend="openvino" if backend == "openvino" else "onnxruntime", precision="fp32")
