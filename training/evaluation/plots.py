"""Plots of the page, as SVG and HTML text: they need no library, no script and no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from training.metrics.measure import Curve, Details

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which colour-blind people can tell apart."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
"""Lines differ in more than colour."""
_SIDE, _LEFT, _BOTTOM, _TOP = 320, 46, 40, 10


def curves(named: Sequence[tuple[str, Curve]]) -> str:
    """Precision over recall of several engines in one square, SVG."""
    width, height = _LEFT + _SIDE + 12, _TOP + _SIDE + _BOTTOM
    lines = [
        f'<polyline points="{_points(curve)}" fill="none" stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="2"'
        f' stroke-dasharray="{DASHES[index % len(DASHES)]}"><title>{escape(name)}</title></polyline>'
        for index, (name, curve) in enumerate(named)
    ]
    legend = "".join(
        f'<li><svg width="28" height="8" aria-hidden="true"><line x1="0" x2="28" y1="4" y2="4" stroke-width="2"'
        f' stroke="{COLOURS[index % len(COLOURS)]}" stroke-dasharray="{DASHES[index % len(DASHES)]}"/></svg>'
        f" {escape(name)}</li>"
        for index, (name, _) in enumerate(named)
    )
    return (
        f'<figure><svg class="curve" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="precision over recall">{_axes()}{"".join(lines)}</svg>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def confusion(details: Details) -> str:
    """A confusion matrix as a table; a cell's strength is its share of its row. Empty where there is none."""
    if details.confusion is None:
        return ""
    heading = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in details.predicted_names)
    rows = []
    for name, counts in zip(details.truth_names, details.confusion, strict=True):
        total = int(counts.sum())
        cells = "".join(_cell(int(count), total) for count in counts)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        f'<table class="confusion"><thead><tr><th>truth ↓ predicted →</th>{heading}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(count: int, total: int) -> str:
    share = count / total if total else math.nan
    strength = 0 if math.isnan(share) else round(share * 100)
    light = " light" if strength > 55 else ""
    title = "" if math.isnan(share) else f' title="{100 * share:.1f} % of the row"'
    return f'<td class="heat{light}" style="--heat:{strength}%"{title}>{count_text(count)}</td>'


def count_text(count: int) -> str:
    """``0``, ``950``, ``12.3 k``, ``4.5 M``."""
    for limit, unit in ((1_000_000, "M"), (10_000, "k")):
        if count >= limit:
            return f"{count / (1_000_000 if unit == 'M' else 1_000):.1f} {unit}"
    return str(count)


def _points(curve: Curve) -> str:
    pairs = [pair for pair in zip(curve.recall, curve.precision, strict=True) if not any(map(math.isnan, pair))]
    return " ".join(f"{_LEFT + recall * _SIDE:.1f},{_TOP + (1 - precision) * _SIDE:.1f}" for recall, precision in pairs)


def _axes() -> str:
    parts = [f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>']
    for value in np.linspace(0, 1, 6):
        x, y = _LEFT + value * _SIDE, _TOP + (1 - value) * _SIDE
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_TOP + _SIDE}"/>')
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _SIDE + 15}" text-anchor="middle">{value:.1f}</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    middle = _TOP + _SIDE / 2
    parts.append(f'<text x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 33}" text-anchor="middle">recall</text>')
    parts.append(f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">precision</text>')
    return "".join(parts)
