"""Charts: a plot with its axes, and rows that share one axis. Letters are HTML, so they never shrink with the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outputs.report.axes import Axis
from outputs.report.shapes import box
from outputs.report.words import text


@dataclass(frozen=True, slots=True)
class Key:
    """A line of a legend. style: CSS of its patch."""

    label: str
    style: str


@dataclass(frozen=True, slots=True)
class Row:
    """One of several rows over the same axis. drawn: SVG; label before it, note behind it (plain text)."""

    label: str
    note: str
    drawn: str
    told: str
    """What the drawing shows, in words."""
    sub: str = ""


def plot(told: str, drawn: str, across: Axis, up: Axis, *, title: str, below: str = "stream time") -> str:
    """One chart with an axis below and one at its left. told: what it shows, in words; title: of the axis above."""
    heights = "".join(f'<span style="bottom:{place:.2%}">{text(label)}</span>' for place, label in up.ticks)
    return (
        f'<div class="plot"><p class="axis">{text(title)}</p><div class="y" aria-hidden="true">{heights}</div>'
        f'<div class="draw">{box(told, drawn)}</div>{_below(across, below)}</div>'
    )


def rows(made: Iterable[Row], across: Axis, below: str = "stream time", kind: str = "") -> str:
    """Rows, and their common axis. kind: a class of the whole."""
    lines = "".join(
        f'<div class="row"><div class="name">{text(row.label)}{_sub(row.sub)}</div><div class="draw">'
        f'{box(row.told, row.drawn)}</div><div class="note">{text(row.note)}</div></div>'
        for row in made
    )
    axis = f'<div class="row foot"><div class="name"></div>{_below(across, below)}<div class="note"></div></div>'
    return f'<div class="rows {kind}">{lines}{axis}</div>'


def legend(keys: Sequence[Key]) -> str:
    """What the colours mean."""
    items = "".join(f'<li><i style="{key.style}"></i>{text(key.label)}</li>' for key in keys)
    return f'<ul class="legend">{items}</ul>'


def _sub(words: str) -> str:
    return f"<small>{text(words)}</small>" if words else ""


def _below(axis: Axis, title: str) -> str:
    labels = "".join(
        f'<span class="{_edge(place)}" style="left:{place:.2%}">{label}</span>' for place, label in axis.ticks
    )
    return f'<div class="x" aria-hidden="true">{labels}<em>{text(title)}</em></div>'


def _edge(place: float) -> str:
    return "first" if place < 0.02 else "last" if place > 0.96 else ""
