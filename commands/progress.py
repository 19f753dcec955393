"""The progress line and the summary."""

from __future__ import annotations

import time
from typing import Any, TextIO

from commands.status import StatusLine
from contracts.frame import SourceInfo
from contracts.text import clock, counted
from pipeline.figures import Progress


class ProgressLine(StatusLine):
    """The progress of a run."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        super().__init__(quiet=quiet, stream=stream)
        self._next = time.monotonic() + (0 if self._terminal else self._every)

    def update(self, progress: Progress | None, source: SourceInfo | None) -> None:
        """Print when it is time."""
        if self._quiet or progress is None or source is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every
        self._write(progress_text(progress, source))


def progress_text(progress: Progress, source: SourceInfo) -> str:
    """``120/300 frames · 31.2 FPS · 1.25× real time · 6 s left``."""
    total = source.frames
    words = [f"{progress.finished}/{total} frames" if total else f"{progress.finished} frames"]
    words.append(f"{progress.fps:.1f} FPS")
    if source.rate and not source.live:
        words.append(f"{progress.fps / float(source.rate):.2f}× real time")
    if total and progress.fps and not source.live:
        words.append(f"{clock((total - progress.finished) / progress.fps)} left")
    if progress.dropped:
        words.append(f"{progress.dropped} dropped")
    if progress.lost:
        words.append(f"{progress.lost} lost")
    if progress.age_ms is not None:
        words.append(f"age {progress.age_ms:.0f} ms")
    return " · ".join(words)


def summary_text(statistics: dict[str, Any]) -> str:
    """The figures of a finished run, a few short lines."""
    frames, stages = statistics["frames"], statistics["stages"]
    counts = [f"{frames[key]} {word}" for key, word in (("read", "read"), ("inferred", "through the networks"))]
    if statistics["outputs"]:
        counts.append(f"{frames['written']} written")
    counts += [f"{frames[key]} {key}" for key in ("dropped", "lost", "reconnects") if frames[key]]
    lines = [
        f"frames      {', '.join(counts)}",
        f"throughput  {statistics['throughput_fps']:.1f} FPS in {clock(statistics['seconds'])}"
        f" · latency p50 {_ms(statistics['latency_ms']['p50'])}, p95 {_ms(statistics['latency_ms']['p95'])}",
    ]
    if statistics["age_ms"]["p50"] is not None:
        lines.append(f"age         p50 {_ms(statistics['age_ms']['p50'])}, p95 {_ms(statistics['age_ms']['p95'])}")
    lines += [
        f"engine      {engine['name']}: {engine['backend']}, {engine['device']}, {engine['precision']}"
        + (f", looked at {engine['inferred']} frames" if engine["inferred"] < frames["inferred"] else "")
        for engine in statistics["engines"]
    ]
    heading = "stage         p50     p95     p99   own CPU   (ms per frame; CPU of the stage's own thread)"
    rows = [_stage_row(name, stage) for name, stage in stages.items()]
    return "\n".join([*lines, heading, *rows, f"memory      {statistics['peak_rss_mb']} MiB at most"])


def segment_text(statistics: dict[str, Any]) -> list[str]:
    """``out-000001-….mp4 … out-000042-….mp4 (42 segments, 3.2 GB)``: what a segmented recording wrote, if it did."""
    lines = []
    for output in statistics["outputs"].values():
        if output.get("segments"):
            names = [output["first"]] if output["segments"] == 1 else [output["first"], output["last"]]
            facts = f"{counted(output['segments'], 'segment')}, {_size(output['bytes'])}"
            gone = f"; {counted(output['deleted'], 'oldest one', 'oldest ones')} deleted" if output["deleted"] else ""
            lines.append(f"{' … '.join(names)} ({facts}{gone})")
    return lines


def _size(size: int) -> str:
    """``3.2 GB``, ``740 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _stage_row(name: str, stage: dict[str, float | None]) -> str:
    cells = [stage["p50_ms"], stage["p95_ms"], stage["p99_ms"]]
    row = "".join("       –" if cell is None else f"{cell:8.1f}" for cell in cells)
    return f"  {name:<8}{row}" + ("" if stage["cpu_ms"] is None else f"{stage['cpu_ms']:10.2f}")


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
