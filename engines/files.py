"""Network files on disk: which kinds there are, their hashes, and the folder for compiled models."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path

from contracts.errors import EngineError

_EXPORT_FIRST = "export it to ONNX first and give that file"
_IMPORT = "turn it into one: python -m training import FILE (docs/networks.md)"
_NOT_RUNNABLE = {
    ".pt": ("a PyTorch checkpoint, not a network that can run by itself", _IMPORT),
    ".pth": ("a PyTorch checkpoint, not a network that can run by itself", _IMPORT),
    ".ckpt": ("a training checkpoint, not a network that can run by itself", _IMPORT),
    ".safetensors": ("weights without a network", _EXPORT_FIRST),
    ".tflite": ("a TensorFlow Lite file", _EXPORT_FIRST),
    ".engine": ("a TensorRT plan, which runs only on the GPU it was built for", "give the ONNX file it was built from"),
    ".plan": ("a TensorRT plan, which runs only on the GPU it was built for", "give the ONNX file it was built from"),
    ".bin": ("the weights half of an OpenVINO IR", "give the .xml file beside it"),
}


def require_readable(file: Path) -> None:
    """Raises EngineError unless ``file`` may be a network: there, not empty, of a kind that runs, its .bin beside."""
    if not file.exists():
        raise EngineError(f"network file {file} does not exist", "check the path")
    if not file.is_file():
        raise EngineError(f"{file} is not a file", "give a network file (.onnx or .xml)")
    suffix = file.suffix.lower()
    if suffix in _NOT_RUNNABLE:
        what, cure = _NOT_RUNNABLE[suffix]
        raise EngineError(f"{file} is {what}", cure)
    if suffix not in (".onnx", ".xml"):
        raise EngineError(f"{file}: unknown kind of network file {suffix!r}", "give an .onnx file or an OpenVINO .xml")
    for part in parts_of(file):
        if not part.is_file():
            raise EngineError(f"{file} lacks its weights: {part.name} does not lie beside it", "copy both files")
        if part.stat().st_size == 0:
            raise EngineError(f"{part} is empty", "copy or export it again")


def parts_of(file: Path) -> tuple[Path, ...]:
    """The files a network consists of: an ONNX file itself; an IR's .xml and .bin, in this order."""
    return (file, file.with_suffix(".bin")) if file.suffix.lower() == ".xml" else (file,)


def hashes_of(file: Path) -> tuple[str, ...]:
    """SHA-256 of every part of a network, lower-case hex, in the order of ``parts_of``; raises EngineError."""
    try:
        return tuple(_hash(part, part.stat().st_size, part.stat().st_mtime_ns) for part in parts_of(file))
    except OSError as fault:
        raise EngineError(f"cannot read {file}: {fault.strerror}", "check the path and its permissions") from fault


@functools.lru_cache(maxsize=64)
def _hash(file: Path, _size: int, _mtime_ns: int) -> str:
    """One file's hash, remembered within this process for as long as size and time stamp stay."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_root() -> Path:
    """Where everything kept between runs lies, whether it is there yet or not; raises RuntimeError: no home folder."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "roadstream"


def cache_folder(name: str) -> Path | None:
    """``$XDG_CACHE_HOME/roadstream/name``, else under ``~/.cache``, made and tried; None where it cannot be written."""
    try:
        folder = cache_root() / name
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permission bits say nothing to root or on a read-only mount
            return folder
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
