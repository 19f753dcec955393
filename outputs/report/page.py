"""The page: one HTML file with everything in it. Nothing is fetched, nothing runs."""

from __future__ import annotations

import time

from outputs.report.delay_charts import delays, waterfall
from outputs.report.facts import Facts
from outputs.report.parts import section
from outputs.report.seen_charts import areas, class_maps, classifications, detections, regions
from outputs.report.sheet import sheet
from outputs.report.style import STYLE
from outputs.report.summary import odd, overview, state, tiles
from outputs.report.words import text

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The browser itself refuses whatever would come from elsewhere."""
_MEANINGS = (
    ("throughput", "frames finished per second of wall time, from the first frame in until every output is closed"),
    ("latency", "from arrival (the decoder handed the frame over) to all outputs having it"),
    ("age", "for live sources: from the estimated moment of capture to all outputs having it"),
    ("own CPU", "CPU time per frame that is neither decoding, nor networks, nor encoding, by the stages' own threads"),
    ("dropped", "left out by the run, because it was slower than a live source"),
    ("lost", "the source could not give them: damaged or never received"),
    ("p50, p95, p99", "half, 95 and 99 of 100 frames took at most this long"),
    ("stream time", "seconds since the first frame, by the frames' own time stamps"),
)


def page(facts: Facts) -> str:
    """The whole file as text."""
    name = ", ".join(info.id for info in facts.sources)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(name)} · RoadStream report</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><header>{_heading(facts, name)}{tiles(facts)}</header><main>{odd(facts)}"
        f"{sheet(facts)}{detections(facts)}{regions(facts)}{areas(facts)}{class_maps(facts)}{classifications(facts)}"
        f"{delays(facts)}{waterfall(facts)}{overview(facts)}{_meanings()}</main></body></html>\n"
    )


def _heading(facts: Facts, name: str) -> str:
    kind, sentence = state(facts)
    written = time.strftime("%Y-%m-%d %H:%M")
    return (
        f'<p class="brand">RoadStream report · {written}</p><h1>{text(name)}</h1>'
        f'<p class="state {kind}">{text(sentence)}</p>'
    )


def _meanings() -> str:
    items = "".join(f"<dt>{text(word)}</dt><dd>{text(meaning)}</dd>" for word, meaning in _MEANINGS)
    return section("What the words mean", f"<dl>{items}</dl>", kind="words")
