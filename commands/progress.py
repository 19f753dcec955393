"""The progress line and the summary."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TextIO

from commands.live_words import RecentRate, source_text, state_text
from commands.status import TickingLine
from contracts.frame import SourceInfo
from contracts.live import LiveState
from contracts.text import clock, counted
from pipeline.figures import Progress
from pipeline.source_state import SourceState
from pipeline.stream import Stream
from sources.open import is_live

_NAMED = 4  # more sources would not stand in one line


class ProgressLine(TickingLine):
    """The progress of a run, from before its source is open."""

    def __init__(self, run: Stream, *, quiet: bool, stream: TextIO | None = None) -> None:
        super().__init__(quiet=quiet, stream=stream)
        self._run = run
        self._begun_s = time.monotonic()
        self._rate = RecentRate()

    def text(self) -> str:
        """Where the run is."""
        progress, source = self._run.progress(), self._run.source
        if (several := self._run.sources) and progress is not None:
            live = any(each.info is not None and each.info.live for each in several)
            return progress_of_several(self._lately(progress) if live else progress, several)
        if source is None:
            return self._opening()
        if progress is None:
            return "loading networks"
        if source.info.live:
            progress = self._lately(progress)
        return progress_text(progress, source.info)

    def _lately(self, progress: Progress) -> Progress:
        """The same with the frames per second of the last moments."""
        if progress.status is not None and progress.status.state is not LiveState.LIVE:
            self._rate.forget()
            return progress
        fps = self._rate.per_second(time.monotonic(), progress.finished)
        return progress if fps is None else replace(progress, fps=fps)

    def early_text(self) -> str:
        """What a live source is waited for; of several that does not hold up the others."""
        if self._run.sources:
            return ""
        return self._opening() if self._run.source is None and is_live(self._run.config.sources[0]) else ""

    def _opening(self) -> str:
        uri, seconds = self._run.config.sources[0], time.monotonic() - self._begun_s
        doing = f"connecting to {uri}" if is_live(uri) else f"opening {uri}"
        return f"{doing} for {clock(seconds)}" if seconds >= 1 else doing


def progress_text(progress: Progress, source: SourceInfo) -> str:
    """``120/300 frames · 31.2 FPS · 1.25× real time · 6 s left``; of what is not there yet, or gone: where it is."""
    if progress.status is not None and progress.status.state is not LiveState.LIVE:
        return f"{progress.finished} frames · {state_text(progress.status)}"
    total = source.frames
    words = [f"{progress.finished}/{total} frames" if total else f"{progress.finished} frames"]
    if not progress.finished:  # networks that are tried on the first frames take their time
        return " · ".join([*words, f"first frame on its way for {clock(progress.seconds)}", *_odd(progress)])
    words.append(f"{progress.fps:.1f} FPS")
    if source.rate and not source.live:
        words.append(f"{progress.fps / float(source.rate):.2f}× real time")
    if total and progress.fps and not source.live:
        words.append(f"{clock((total - progress.finished) / progress.fps)} left")
    return " · ".join([*words, *_odd(progress)])


def _odd(progress: Progress) -> Iterator[str]:
    if progress.dropped:
        yield f"{progress.dropped} dropped"
    if progress.lost:
        yield f"{progress.lost} lost"
    if progress.age_ms is not None:
        yield f"age {progress.age_ms:.0f} ms"


def progress_of_several(progress: Progress, sources: Sequence[SourceState]) -> str:
    """``front 120/300 · rear 88/300 · gate lost · 31.2 FPS``; of many sources only how many are where."""
    if len(sources) <= _NAMED:
        words = [_where(source) for source in sources]
    else:
        states = Counter("running" if source.state is LiveState.LIVE else str(source.state) for source in sources)
        where = ", ".join(f"{count} {state}" for state, count in states.items())
        words = [f"{progress.finished} frames of {len(sources)} sources ({where})"]
    return " · ".join([*words, f"{progress.fps:.1f} FPS", *_odd(progress)])


def _where(source: SourceState) -> str:
    """One source; its state where that is not simply running."""
    words = [source.name]
    if source.progress is not None:
        total = source.info.frames if source.info is not None else None
        words.append(f"{source.progress.finished}/{total}" if total else str(source.progress.finished))
    if source.state is LiveState.ENDED:
        words.append("done")
    elif source.state is not LiveState.LIVE:
        words.append(str(source.state))
    return " ".join(words)


def summary_text(statistics: dict[str, Any]) -> str:
    """The figures of a finished run, a few short lines."""
    frames, stages = statistics["frames"], statistics["stages"]
    lines = [
        *_source_lines(statistics["sources"], written=bool(statistics["outputs"])),
        f"frames      {_counts(frames, _written(statistics))}",
        f"throughput  {statistics['throughput_fps']:.1f} FPS in {clock(statistics['seconds'])}"
        f" · latency {_spread(statistics['latency_ms'])}",
    ]
    if statistics["age_ms"]["p50"] is not None:
        lines.append(f"age         {_spread(statistics['age_ms'])} · backlog {_spread(statistics['backlog_ms'])}")
    lines += _grid_lines(statistics)
    lines += [
        f"engine      {engine['name']}: {engine['backend']}, {engine['device']}, {engine['precision']}"
        + (f", looked at {engine['inferred']} frames" if engine["inferred"] < frames["inferred"] else "")
        for engine in statistics["engines"]
    ]
    heading = "stage         p50     p95     p99   own CPU   (ms per frame; CPU of the stage's own thread)"
    rows = [_stage_row(name, stage) for name, stage in stages.items()]
    return "\n".join([*lines, heading, *rows, f"memory      {statistics['peak_rss_mb']} MiB at most"])


def _source_lines(sources: Sequence[dict[str, Any]], *, written: bool) -> Iterator[str]:
    """Where there are several: what became of the frames of each. Of those that come and go: how that went."""
    if len(sources) == 1:
        yield from (f"source      {source_text(source)}" for source in sources if "state" in source)
        return
    for source in sources:
        lost = f"; lost: {source['error']}" if "error" in source else ""
        yield f"{source['id']:<11} {_counts(source['frames'], written)}{lost}"
        if "state" in source:
            yield f"{'':<11} {source_text(source)}"


def _written(statistics: dict[str, Any]) -> dict[str, int] | bool:
    """Frames by each output where those of the only source differ, else whether there is any output."""
    written = {name: output["written"] for name, output in statistics["outputs"].items()}
    return written if len(statistics["sources"]) == 1 and len(set(written.values())) > 1 else bool(written)


def _counts(frames: dict[str, int], written: dict[str, int] | bool) -> str:
    """``300 read, 300 through the networks, 300 written``, and what else there is to say. written: as ``_written``."""
    words = [f"{frames['read']} read", f"{frames['inferred']} through the networks"]
    if isinstance(written, dict):
        words += [f"{count} written ({name})" for name, count in written.items()]
    elif written:
        words.append(f"{frames['written']} written")
    return ", ".join([*words, *(f"{frames[key]} {key}" for key in ("dropped", "lost") if frames[key])])


def _grid_lines(statistics: dict[str, Any]) -> Iterator[str]:
    """How late and how old the pictures of a grid's cells were when the grid's own was out; a line for each source."""
    whole = statistics["outputs"].get("grid", {})
    if "pictures" not in whole:
        return
    yield f"grid        {whole['pictures']} pictures · {_delays(whole)}"
    for source in statistics["sources"]:
        if own := source.get("outputs", {}).get("grid"):
            replaced = f", {own['replaced']} replaced" if own["replaced"] else ""
            yield f"  {source['id']:<9} {own['shown']} shown{replaced} · {_delays(own)}"


def _delays(figures: dict[str, Any]) -> str:
    """Latency, and of live sources the age."""
    age = f" · age {_spread(figures['age_ms'])}" if figures["age_ms"]["p50"] is not None else ""
    return f"latency {_spread(figures['latency_ms'])}{age}"


def segment_text(statistics: dict[str, Any]) -> list[str]:
    """``out-000001-….mp4 … out-000042-….mp4 (42 segments, 3.2 GB)``: what a segmented recording wrote, if it did."""
    lines = []
    each = (statistics, *statistics["sources"])  # of several sources every one has its own
    for output in (output for one in each for output in one.get("outputs", {}).values()):
        if output.get("first"):
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


def _spread(percentiles: dict[str, float | None]) -> str:
    return f"p50 {_ms(percentiles['p50'])}, p95 {_ms(percentiles['p95'])}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
