"""Opens the engine that a configuration asks for. A new runtime is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.protocols import Engine, PictureMaker

_BACKENDS = {
    "openvino": ("engines.openvino", "OpenVinoEngine"),
    "onnxruntime": ("engines.onnxruntime", "OnnxRuntimeEngine"),
}
_DEFAULT = "openvino"


def open_engine(config: EngineConfig, *, live: bool = False, users: int = 1) -> Engine:
    """The network of ``config.file``, compiled and warm. Options that are None or "auto" take the defaults.

    live: answer early rather than many at once. users: how many share it (``engines.shared``); it has places for all.
    Raises EngineError with the cure for whatever does not run.
    """
    if config.device is not None and config.device.lower() not in ("cpu", "auto"):
        raise EngineError(f"device {config.device!r} cannot run networks here", "use --device cpu")
    backend = _DEFAULT if config.backend in (None, "auto") else config.backend
    module, kind = _BACKENDS[str(backend)]
    try:
        made = getattr(import_module(module), kind)
    except (ImportError, OSError) as fault:  # OSError: a library it links to
        others = " or ".join(f"--backend {name}" for name in _BACKENDS if name != backend)
        cure = f"run_stream.py doctor says how to get it; or use {others}"
        raise EngineError(f"{backend} cannot be imported: {fault}", cure) from fault
    engine: Engine = made(config, live=live, users=users)
    return engine


def open_generator(file: Path) -> PictureMaker:
    """The network of ``file`` that makes pictures; it needs no card. Raises EngineError where it is none."""
    try:
        module = import_module("engines.generator")
    except (ImportError, OSError) as fault:
        cure = "run_stream.py doctor says how to get it"
        raise EngineError(f"generators run on OpenVINO, which cannot be imported: {fault}", cure) from fault
    made: PictureMaker = module.GeneratorEngine(file)
    return made
