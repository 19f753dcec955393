"""A network file run as it is, on ready tensors of any batch, in each runtime of the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import EngineError
from engines.onnxruntime import onnxruntime, states
from engines.openvino_runtime import core, ov

Run = Callable[[NDArray[Any]], dict[str, NDArray[Any]]]
"""Images (B, 3, H, W) in the file's own dtype → its outputs by name."""

_ORT_FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)


def in_onnxruntime(file: Path | bytes) -> Run:
    """A file, or what would be in it, in ONNX Runtime; raises EngineError, also when called."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, and need not be printed as well
    network = file if isinstance(file, bytes) else str(file)
    with_session = _guarded("ONNX Runtime", _ORT_FAULTS)
    session = with_session(lambda: onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"]))
    (feed,) = (port.name for port in session.get_inputs())
    names = [port.name for port in session.get_outputs()]

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, with_session(lambda: session.run(None, {feed: images})), strict=True))

    return run


def in_openvino(file: Path) -> Run:
    """The file in OpenVINO with float32 arithmetic; raises EngineError, also when called."""
    with_model = _guarded("OpenVINO", (RuntimeError, ov.frontend.OpConversionFailure))
    reader = ov.frontend.FrontEndManager().load_by_framework("onnx")
    model = with_model(lambda: reader.convert(reader.load(str(file))))
    names = [_names(port) for port in model.outputs]
    compiled = with_model(lambda: core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        arrays = with_model(lambda: compiled([images]))
        return {name: np.array(arrays[index]) for index, alias in enumerate(names) for name in alias}

    return run


RUNTIMES: Mapping[str, Callable[[Path], Run]] = {"onnxruntime": in_onnxruntime, "openvino": in_openvino}
"""Every runtime a float file is held to; the names are those of ``--backend``."""


def _names(port: Any) -> list[str]:
    """All names of an output: a tensor that is given out twice has several."""
    return sorted(port.get_names())


def _guarded(runtime: str, faults: tuple[type[Exception], ...]) -> Callable[[Callable[[], Any]], Any]:
    """Calls things so that what the runtime raises becomes an EngineError."""

    def guarded(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except faults as fault:
            lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
            reason = lines[-1] if lines else type(fault).__name__
            raise EngineError(
                f"{runtime} cannot run the exported network: {reason}", "report this network; --debug shows more"
            ) from fault

    return guarded
