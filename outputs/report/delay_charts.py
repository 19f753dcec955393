"""Latency and age over stream time, and where a frame's time goes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from outputs.report.axes import Axis, value_axis
from outputs.report.charts import Key, Row, legend, plot, rows
from outputs.report.facts import Facts
from outputs.report.parts import section
from outputs.report.shapes import Slice, area, bar, grid, line, slices, tips
from outputs.report.timeline import Numbers, Spread, View
from outputs.report.words import SPACE, moment, ms, short

_OWN = ("decode", "prepare", "infer", "heads", "draw")
"""Stages that follow one another; all others are outputs, which work side by side."""
_BAND, _MIDDLE = "background:var(--band)", "background:var(--tone)"
_DROPPED, _LOST, _AWAY = "background:var(--dropped)", "background:var(--lost)", "background:var(--away)"


def delays(facts: Facts) -> str:
    """Latency and, for live sources, age; drops and losses marked below them."""
    kept = facts.delays
    if not kept.frames:
        return ""
    latency = facts.ending.statistics["latency_ms"]
    said = f"Half of all frames were through in {ms(latency['p50'])}, 95 of 100 in {ms(latency['p95'])}"
    charts = [f"<h3>Latency</h3>{_chart(facts, kept.latency, kept.frames, 'latency')}"]
    if kept.frames_with_age:
        charts.append(f"<h3>Age</h3>{_chart(facts, kept.age, kept.frames_with_age, 'age')}")
    keys = [Key("p50", _MIDDLE), Key("from p50 to p95", _BAND)]
    keys += [Key("frames dropped", _DROPPED)] if kept.dropped.any() else []
    keys += [Key("frames lost", _LOST)] if kept.lost.any() else []
    keys += [Key("no pictures", _AWAY)] if facts.outages.count else []
    return section("Latency over time", *charts, legend(keys), lead=f"{said}, from arrival to all outputs having it.")


def _chart(facts: Facts, spread: Spread, frames: int, name: str) -> str:
    kept, across = facts.delays, facts.across
    view = View(kept.timeline, frames)
    middle, high = spread.percentiles_ms(view, 0.5), spread.percentiles_ms(view, 0.95)
    up = value_axis(float(np.nanmax(high)))
    where = slices(view.points, view.width_s, across)
    dropped, lost = view.summed(kept.dropped), view.summed(kept.lost)
    low_places, high_places = (middle / up.high).tolist(), (high / up.high).tolist()
    drawn = (
        facts.ground(up)
        + area(where, low_places, high_places, 'class="band"')
        + line(where, low_places, "")
        + _marks(where, dropped, "dropped", 0)
        + _marks(where, lost, "lost", 0.04)
        + tips(where, _tips(view, middle, high, dropped, lost))
    )
    told = f"{name} over stream time: p50 between {_range(middle)}, p95 between {_range(high)}"
    return plot(told, drawn, across, up, title=f"{name}, ms")


def _range(values: Numbers) -> str:
    return f"{ms(float(np.nanmin(values)))} and {ms(float(np.nanmax(values)))}"


def _marks(where: Sequence[Slice], counts: Numbers, kind: str, bottom: float) -> str:
    """Small blocks at the foot of the chart where frames went missing, fuller where more did."""
    shade, top = 0.6 / float(counts.max(initial=1)), bottom + 0.035
    return "".join(
        bar(
            each.left,
            each.right,
            bottom=bottom,
            top=top,
            style=f'class="{kind}" opacity="{0.4 + shade * count:.2f}"',
        )
        for each, count in zip(where, counts.tolist(), strict=True)
        if count
    )


def _tips(view: View, middle: Numbers, high: Numbers, dropped: Numbers, lost: Numbers) -> Iterator[str]:
    for index in range(view.points):
        words = [] if math.isnan(middle[index]) else [f"p50 {ms(middle[index])}, p95 {ms(high[index])}"]
        words += [f"{int(dropped[index])} dropped"] if dropped[index] else []
        words += [f"{int(lost[index])} lost"] if lost[index] else []
        yield f"{moment(index * view.width_s)}: {', '.join(words)}" if words else ""


def waterfall(facts: Facts) -> str:
    """A frame's way through the stages: wall and CPU time of each, on one axis."""
    data = facts.ending.statistics
    stages: Mapping[str, Mapping[str, float | None]] = data["stages"]
    if not stages:
        return ""
    begins = _begins(stages)
    ends = [begins[name] + (stage["p95_ms"] or 0) for name, stage in stages.items()]
    latency, arrived = data["latency_ms"], (stages.get("decode") or {}).get("p50_ms") or 0.0
    across = value_axis(max(*ends, arrived + (latency["p95"] or 0), 0.01))
    made = [_stage(name, stage, begins[name], across) for name, stage in stages.items()]
    if latency["p50"] is not None:
        made.append(_latency(latency, arrived, across))
    keys = [Key("wall time, p50", _MIDDLE), Key("to p95", _BAND), Key("CPU of the stage's own thread, mean", _DROPPED)]
    return section(
        "Where a frame's time goes",
        rows(made, across, "ms after decoding began", "waterfall"),
        legend([*keys, Key("latency", "background:var(--whole)")]),
        lead="Stages in the order they run, each beginning where the ones before it end at p50; outputs work side by"
        " side. Latency is longer than their sum where frames wait for one another: several are on their way at once.",
    )


def _begins(stages: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """Ms at which each stage begins when all before it take their p50."""
    begins, now = {}, 0.0
    for name in (name for name in _OWN if name in stages):
        begins[name] = now
        now += stages[name]["p50_ms"] or 0.0
    return {name: begins.get(name, now) for name in stages}


def _stage(name: str, stage: Mapping[str, float | None], begin: float, across: Axis) -> Row:
    middle, high, cpu = (stage[key] or 0.0 for key in ("p50_ms", "p95_ms", "cpu_ms"))
    drawn = (
        grid(across, None)
        + bar(across.place(begin), across.place(begin + high), bottom=0.42, top=0.86, style='class="band"')
        + bar(across.place(begin), across.place(begin + middle), bottom=0.42, top=0.86, style='class="tone"')
        + bar(across.place(begin), across.place(begin + cpu), bottom=0.16, top=0.34, style='class="dropped"')
    )
    note = f"p50 {_figure(stage['p50_ms'])} · p95 {_figure(stage['p95_ms'])} · CPU {_figure(stage['cpu_ms'])}"
    return Row(name, note, drawn, f"{name}: {note} ms, beginning at {short(round(begin, 2))} ms")


def _figure(value: float | None) -> str:
    return ms(value).removesuffix(f"{SPACE}ms")


def _latency(latency: Mapping[str, Any], begin: float, across: Axis) -> Row:
    left, middle, high = (across.place(begin + value) for value in (0.0, latency["p50"], latency["p95"]))
    drawn = (
        grid(across, None)
        + bar(left, high, bottom=0.38, top=0.62, style='class="whole pale"')
        + bar(left, middle, bottom=0.38, top=0.62, style='class="whole"')
    )
    note = f"p50 {_figure(latency['p50'])} · p95 {_figure(latency['p95'])}"
    return Row("latency", note, drawn, f"latency: {note} ms, counted from the end of decoding")
