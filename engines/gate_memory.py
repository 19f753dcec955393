"""Remembers verdicts on disk, so that a run gates itself once per file, runtime, precision and processor."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from contracts.config import EngineConfig
from contracts.text import installed_version
from engines.cards import registered_card
from engines.files import cache_folder, hashes_of
from engines.verdicts import Verdict

_RULES = 1
"""Raise it when limits or heads change what a verdict means; verdicts under other rules are not believed."""
_RUNTIMES = ("openvino", "onnxruntime")


class _Entry(BaseModel):
    """One file of the memory: what was asked, and the answer."""

    question: dict[str, Any]
    verdict: Verdict


def remembered(file: EngineConfig, reference: EngineConfig) -> Verdict | None:
    """The verdict given earlier to the same question, None where there is none that can be read."""
    question = _question(file, reference)
    path = _path(question)
    try:
        entry = _Entry.model_validate_json(path.read_bytes()) if path is not None else None
    except (OSError, ValidationError):  # none yet, or damaged: asked again, and written anew
        return None
    return entry.verdict if entry is not None and entry.question == question else None


def remember(file: EngineConfig, reference: EngineConfig, verdict: Verdict) -> None:
    """Keep a verdict; "no verdict" is none, and where the cache cannot be written nothing is kept."""
    if verdict.state == "no verdict":
        return
    question = _question(file, reference)
    path = _path(question)
    if path is not None:
        with contextlib.suppress(OSError):
            _write(path, _Entry(question=question, verdict=verdict).model_dump_json(indent=1))


def _question(file: EngineConfig, reference: EngineConfig) -> dict[str, Any]:
    """Everything the verdict depends on, as JSON has it."""
    return {
        "rules": _RULES,
        "file": [*hashes_of(file.file)],
        "reference": [*hashes_of(reference.file)],
        "cards": [_card(file), _card(reference)],
        "backend": file.backend or "auto",
        "device": file.device or "cpu",
        "precision": file.precision or "auto",
        "runtimes": [f"{name} {installed_version(name)}" for name in _RUNTIMES],
        "processor": _processor(),
    }


def _card(config: EngineConfig) -> str:
    """Text of a card outside the file (given, beside it, or registered); one inside it is in the file's hash."""
    outside = config.card or config.file.with_suffix(".card.yaml")
    if outside.is_file():
        return outside.read_text(encoding="utf-8", errors="replace")
    registered = registered_card(hashes_of(config.file))
    return registered.model_dump_json() if registered is not None else ""


_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""With these a person forbids the runtimes instruction sets the processor has."""


def _processor() -> str:
    """The processor's model and instruction sets: they decide which kernels a runtime chooses.

    One and the same file has been seen right with AMX and blind without it, in the same runtime.
    """
    known = [platform.machine(), platform.processor(), *(f"{name}={os.environ.get(name, '')}" for name in _LIMITS)]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        known += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join(known).encode()).hexdigest()


def _path(question: dict[str, Any]) -> Path | None:
    """The file of a question; None where there is no cache folder."""
    folder = cache_folder("gate")
    name = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return folder / f"{name[:32]}.json" if folder is not None else None


def _write(path: Path, text: str) -> None:
    """Write beside and move into place, so that nobody ever reads half a verdict. Raises OSError."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        part.write_text(text, encoding="utf-8")
        part.replace(path)
