"""The ``--stats`` object: a schema scripts rely on (additions only)."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.protocols import EngineFacts, Source
from contracts.text import installed_version
from outputs.paths import Target, reason
from pipeline.combined import Combined
from pipeline.figures import Figures

VERSION = 1
FRAMES = ("read", "inferred", "written", "dropped", "lost", "reconnects")
"""What is counted of a source's frames."""
_LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "openvino")


def statistics(figures: Figures, source: Source, engines: Sequence[EngineFacts], *, live: bool) -> dict[str, Any]:
    """Everything the run measured. ``limit_fps`` and ``ratio`` are measured by ``bench`` only: null here."""
    return statistics_of([source_facts(source.info, figures, live=live)], figures, engines)


def source_facts(info: SourceInfo, figures: Figures, *, live: bool) -> dict[str, Any]:
    """One source of a run and its frames."""
    frames = {
        "read": figures.read,
        "inferred": figures.inferred,
        "written": min(figures.output_writes().values(), default=0),
        "dropped": figures.dropped,
        "lost": figures.losses.lost,
        "reconnects": figures.losses.reconnects,
    }
    size = {"width": info.width, "height": info.height}
    return {"id": info.id, "uri": info.uri, **size, "live": live, "frames": frames, **_state(figures)}


def statistics_of(
    sources: Sequence[dict[str, Any]], figures: Figures | Combined, engines: Sequence[EngineFacts]
) -> dict[str, Any]:
    """The object of a run: its sources (see ``source_facts``), and the figures of all of them."""
    progress = figures.progress()
    return {
        "version": VERSION,
        "sources": list(sources),
        "engines": [
            {
                "name": engine.name,
                "file": engine.file,
                "backend": engine.backend,
                "device": engine.device,
                "precision": engine.precision,
                "sha256": engine.sha256,
                "inferred": looked,
            }
            for engine, looked in zip(engines, figures.looked, strict=True)
        ],
        "frames": {key: sum(source["frames"][key] for source in sources) for key in FRAMES},
        "outputs": {
            stage: {
                "written": count,
                "dropped": figures.output_drops().get(stage, 0),
                **figures.output_counts(stage),
            }
            for stage, count in figures.output_writes().items()
        },
        "caller": {"dropped": figures.caller_drops},
        "seconds": round(progress.seconds, 3),
        "throughput_fps": round(progress.fps, 2),
        "limit_fps": None,
        "ratio": None,
        "stages": figures.stages(),
        "latency_ms": figures.latency.percentiles(),
        "age_ms": figures.age.percentiles(),
        "backlog_ms": figures.backlog.percentiles(),
        "cpu_ms": round(figures.cpu_s / max(figures.inferred, 1) * 1e3, 3),
        "own_cpu_ms": round(figures.own_cpu_ms(), 3),
        "peak_rss_mb": peak_rss_mb(),
        "machine": machine(),
    }


def _state(figures: Figures) -> dict[str, Any]:
    """What is said of a source that comes and goes: where it is and why, how it went, and who dropped its frames."""
    status = figures.status
    if status is None:
        return {}
    return {
        "state": status.state.value,
        "reason": status.reason,
        "first_frame_ms": None if status.first_frame_s is None else round(status.first_frame_s * 1e3),
        "reconnects": status.reconnects,
        "outages_s": round(status.outages_s, 3),
        "last_outage": status.why_lost,
        "dropped_by": figures.drops,
    }


def peak_rss_mb() -> int | None:
    """The most memory this process ever held, in MiB; None on Windows, which does not say."""
    if sys.platform == "win32":
        return None
    import resource

    with contextlib.suppress(OSError):  # Linux: ru_maxrss survives exec and would show a larger launcher's memory
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return math.ceil(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return math.ceil(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))  # macOS counts bytes, Linux KiB


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": None,
        "versions": {"python": platform.python_version()} | {name: installed_version(name) for name in _LIBRARIES},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_statistics(path: Path, data: dict[str, Any]) -> None:
    """Write the object in one piece; raises OutputError."""
    target = Target(path)
    try:
        target.finishing.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        target.publish(target.finishing)
    except OSError as fault:
        with contextlib.suppress(OSError):
            target.finishing.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {reason(fault)}", "free some space or write elsewhere") from fault
