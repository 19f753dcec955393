"""What the run was and how it went: the figures of ``--stats`` in words, and what was skipped or odd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.errors import RoadStreamError
from contracts.frame import SourceInfo
from contracts.text import clock, counted
from outputs.report.facts import Facts
from outputs.report.outages import outage_table
from outputs.report.parts import pairs, section, table
from outputs.report.words import NONE, moment, ms, short, text


def state(facts: Facts) -> tuple[str, str]:
    """How the run ended: a word for the badge's colour, and the sentence."""
    ending = facts.ending
    if isinstance(ending.error, KeyboardInterrupt):
        return "stopped", "interrupted; the figures are those of the frames until then"
    if ending.error is not None:
        kind = "" if isinstance(ending.error, RoadStreamError) else f"{type(ending.error).__name__}: "
        return "failed", f"ended by an error: {kind}{ending.error}"
    if ending.stopped:
        return "stopped", f"{ending.stopped}; the figures are those of the frames until then"
    return "done", "done"


def tiles(facts: Facts) -> str:
    """The figures one looks for first."""
    data = facts.ending.statistics
    made = "".join(
        f'<div class="tile"><span>{text(name)}</span><b>{text(value)}</b><small>{_lines(more)}</small></div>'
        for name, value, more in _tiles(facts, data)
    )
    return f'<div class="tiles">{made}</div>'


def _lines(words: str) -> str:
    """Parts between dots, none of them broken in itself where there is room."""
    return " · ".join(f"<i>{text(part)}</i>" for part in words.split(" · "))


def _tiles(facts: Facts, data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    frames, latency, age = data["frames"], data["latency_ms"], data["age_ms"]
    yield "throughput", f"{data['throughput_fps']:.1f} FPS", f"in {clock(data['seconds'])}{_real_time(facts)}"
    yield "latency p50", ms(latency["p50"]), _percentiles(latency)
    if age["p50"] is not None:
        backlog = data.get("backlog_ms", {}).get("p50")
        yield (
            "age p50",
            ms(age["p50"]),
            _percentiles(age) + (f" · backlog {ms(backlog)}" if backlog is not None else ""),
        )
    for source in _states(data):
        yield "reconnects", f"{source['reconnects']:,}", f"{clock(source['outages_s'])} without pictures"
    yield "frames", f"{frames['inferred']:,}", _missing(frames)
    yield "own CPU", f"{data['own_cpu_ms']:.1f} ms", "per frame, beside decoding, networks, encoding"
    memory = data["peak_rss_mb"]
    yield "memory", NONE if memory is None else f"{memory:,} MiB", "at most"


def _percentiles(summary: Mapping[str, float | None]) -> str:
    return f"p95 {ms(summary['p95'])} · p99 {ms(summary['p99'])}"


def _real_time(facts: Facts) -> str:
    rate = facts.sources[0].rate if facts.sources else None
    if not rate or any(source["live"] for source in facts.ending.statistics["sources"]):
        return ""
    return f" · {facts.ending.statistics['throughput_fps'] / float(rate):.2f}× real time"


def _missing(frames: Mapping[str, int]) -> str:
    words = [f"{frames[key]:,} {key}" for key in ("dropped", "lost") if frames[key]]
    return " · ".join(words) or "none dropped, none lost"


def overview(facts: Facts) -> str:
    """Source, counts, networks, outputs, machine."""
    data = facts.ending.statistics
    return section(
        "The run",
        pairs([*_source(facts), ("frames", _counts(data)), ("odd", _nothing_odd(facts))]),
        "<h3>Networks</h3>",
        table(
            ("network", "runtime", "device", "precision", "file", "SHA-256", "frames looked at"),
            (_engine(engine) for engine in data["engines"]),
            words=6,
        ),
        _outputs(data),
        "<h3>Machine</h3>",
        pairs(_machine(data["machine"])),
        kind="run",
    )


def _source(facts: Facts) -> Iterator[tuple[str, str]]:
    live = any(source["live"] for source in facts.ending.statistics["sources"])
    for info in facts.sources:
        yield "source", info.uri
        yield "picture", _picture(info)
    yield "pace", "live: what comes too fast is dropped" if live else ""
    for source in _states(facts.ending.statistics):
        yield "state", ": ".join(filter(None, (source["state"], source["reason"])))
        first = source["first_frame_ms"]
        yield "first picture", "" if first is None else f"after {first / 1e3:.1f} s"
    yield "length", f"{moment(facts.seconds)} of stream time" if facts.seen.frames else "no frame"


def _states(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources that come and go."""
    return [source for source in data["sources"] if "state" in source]


def _away(data: Mapping[str, Any]) -> str:
    seconds = sum(source["outages_s"] for source in _states(data))
    return f", after {clock(seconds)} without pictures in all" if seconds else ""


def _picture(info: SourceInfo) -> str:
    words = [f"{info.width}×{info.height}"]
    if info.rate:
        words.append(f"{short(round(float(info.rate), 2))} frames per second")
    if info.rotation:
        words.append(f"turned by {info.rotation}°")
    if info.mirrored:
        words.append("mirrored")
    return ", ".join(words)


def _counts(data: Mapping[str, Any]) -> str:
    frames = data["frames"]
    words = [f"{frames['read']:,} read", f"{frames['inferred']:,} through the networks"]
    words += [f"{frames['written']:,} written"] if data["outputs"] else []
    words += [f"{frames[key]:,} {key}" for key in ("dropped", "lost", "reconnects")]
    return ", ".join(words)


def _engine(engine: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        engine["name"],
        engine["backend"],
        engine["device"],
        engine["precision"],
        engine["file"],
        engine["sha256"][:12],
        f"{engine['inferred']:,}",
    )


def _outputs(data: Mapping[str, Any]) -> str:
    rows = [(name, f"{each['written']:,}", f"{each['dropped']:,}") for name, each in data["outputs"].items()]
    return f"<h3>Outputs</h3>{table(('output', 'frames written', 'dropped'), rows)}" if rows else ""


def _machine(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "processor", f"{machine['cpu']}, {counted(machine['cores'], 'core')}"
    yield "GPU", machine["gpu"] or ""
    yield "versions", ", ".join(f"{name} {version}" for name, version in machine["versions"].items())


def odd(facts: Facts) -> str:
    """What was skipped or strange; "" where nothing was."""
    lines = "".join(f"<li>{text(line)}</li>" for line in _odd(facts))
    return section("Skipped or odd", f"<ul>{lines}</ul>" if lines else "", outage_table(facts.outages))


def _nothing_odd(facts: Facts) -> str:
    return "nothing: every frame was read and went all the way, no warnings" if not any(_odd(facts)) else ""


def _odd(facts: Facts) -> Iterator[str]:
    data = facts.ending.statistics
    frames, (kind, sentence) = data["frames"], state(facts)
    if kind != "done":
        yield f"The run was {sentence}." if kind == "stopped" else f"The run was {sentence}"
    if frames["lost"]:
        what = "came damaged, or while the source was away" if _states(data) else "of the source could not be read"
        yield f"{_many(frames['lost'], 'frame')} {what} (lost)."
    if frames["dropped"]:
        yield f"{_many(frames['dropped'], 'frame')} came while the networks were busy, and went no further (dropped)."
    if frames["reconnects"]:
        yield f"The source went away and was opened again {_many(frames['reconnects'], 'time')}{_away(data)}."
    for name, each in data["outputs"].items():
        if each["dropped"]:
            yield f"The output {name} was too slow for {_many(each['dropped'], 'frame')} and did not get them."
    if data["caller"]["dropped"]:
        yield f"The program around the run was too slow for {_many(data['caller']['dropped'], 'frame')}."
    for warning in facts.ending.warnings:
        yield f"Warning: {warning}"


def _many(count: int, thing: str) -> str:
    return counted(count, thing).replace(str(count), f"{count:,}", 1)
