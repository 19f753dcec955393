"""The network in the box: what a run takes when it is given none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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


_SHA256 = {
    FLOAT: "98345908154cd6e8a344c49afead3ebf552dc494484f96608a7931c514e4a1a0",
    INT8: "392fb81995b8e9b3bf83f97ee4432fcd9746e2537cc01e656dc9e67edd8ff371",
    INT8.with_suffix(".bin"): "5ce37eeb8a80757da0f4b87eb066e21ee836f8ff6663126df143d3531ff7827f",
}
"""What lies in the box, so that a half copied file can be told from a slow or blind network."""


def damaged() -> Iterator[tuple[Path, str]]:
    """Files of the embedded network that are not what was published, each with what is wrong with it."""
    for path, wanted in _SHA256.items():
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as fault:
            yield path, fault.strerror or "cannot be read"
        else:
            if found != wanted:
                yield path, "damaged"
