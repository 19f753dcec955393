"""The course of a training as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.files import written

_COLUMNS = 3
_DOTS = 90
_NOT_PLOTTED = ("epoch", "step", "seconds", "pictures", "boxes")
"""Counts, beside which shares of 1 would lie on the ground."""


def plot_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Losses, rate, and one panel per head with all its figures, over epochs. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(rows)
    lines = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(5 * _COLUMNS, 3.5 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, names) in enumerate(panels.items()):
        axes = figure.add_subplot(lines, _COLUMNS, place + 1)
        for name in names:
            points = [(row["epoch"], row[name]) for row in rows if not math.isnan(row.get(name, math.nan))]
            axes.plot(*zip(*points, strict=True), marker=".", label=name.partition("/")[2] or name)
        axes.set(title=title, xlabel="epoch")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="x-small")
    with written(path, overwrite=True) as part:
        figure.savefig(part, dpi=_DOTS)


def _panels(rows: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Title → columns, those with a number somewhere; ``lane/iou`` belongs to lane."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            if name.rpartition("/")[2] not in _NOT_PLOTTED and not math.isnan(value):
                names = found.setdefault(name.partition("/")[0], [])
                names += [] if name in names else [name]
    return found
