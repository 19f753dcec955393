"""Opens the engine that a configuration asks for. A new runtime is one file and one line here."""

from __future__ import annotations

from importlib import import_module

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.protocols import Engine

_BACKENDS = {
    "openvino": ("engines.openvino", "OpenVinoEngine"),
    "onnxruntime": ("engines.onnxruntime", "OnnxRuntimeEngine"),
}
_DEFAULT = "openvino"


def open_engine(config: EngineConfig, *, live: bool = False) -> Engine:
    """The network of ``config.file``, compiled and warm. Options that are None or "auto" take the defaults.

    live: answer early rather than many at once. Raises EngineError with the cure for whatever does not run.
    """
    if config.device is not None and config.device.lower() not in ("cpu", "auto"):
        raise EngineError(f"device {config.device!r} cannot run networks here", "use --device cpu")
    backend = _DEFAULT if config.backend in (None, "auto") else config.backend
    module, kind = _BACKENDS[str(backend)]
    engine: Engine = getattr(import_module(module), kind)(config, live=live)
    return engine
