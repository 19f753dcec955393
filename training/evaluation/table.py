"""The table on the terminal: one block per head, one column per engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from training.evaluation.results import Evaluation, HeadResult
from training.metrics.meanings import COUNTS, MAIN, MEANINGS
from training.metrics.measure import Figures

_INDENT = "  "
_MAIN_OF_CLASS = ("ap50", "iou", "recall")
Row = tuple[str, list[str]]


def table(evaluation: Evaluation) -> str:
    """Figures of every head; of classes and groups the main one; below, what the figures mean."""
    blocks, meant = [], set[str]()
    for head in evaluation.heads():
        names = [engine.name for engine in evaluation.engines if head in engine.heads]
        results = [engine.heads[head] for engine in evaluation.engines if head in engine.heads]
        rows = [(head, names), *_rows(results)]
        meant.update(figure for figure, _ in _figure_rows(results))
        blocks.append("\n".join(_aligned(rows)))
    notes = [f"{engine.name}: {note}" for engine in evaluation.engines for note in engine.notes]
    meanings = [f"{name}: {text}" for name, text in MEANINGS.items() if name in meant]
    return "\n\n".join(block for block in (*blocks, "\n".join(notes), "\n".join(meanings)) if block)


def text_of(figure: str, value: float | None) -> str:
    """Three digits, whole numbers where figures are; – where there is nothing."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.0f}" if figure in COUNTS else f"{value:.3f}"


def main_of(figures: Mapping[str, float]) -> str:
    """The name of a head's main figure."""
    return next(name for name in MAIN if name in figures)


def _rows(results: list[HeadResult]) -> Iterable[Row]:
    for name, cells in _figure_rows(results):
        yield _INDENT + name, cells
    yield from _labelled(results, _INDENT + "class", lambda head: head.details.rows, _MAIN_OF_CLASS, "boxes")
    yield from _labelled(results, _INDENT + "group", lambda head: head.groups, MAIN, "pictures")


def _figure_rows(results: list[HeadResult]) -> Iterable[Row]:
    names = dict.fromkeys(name for head in results for name in head.figures)
    for name in names:
        yield name, [text_of(name, head.figures.get(name)) for head in results]


def _labelled(
    results: list[HeadResult],
    label: str,
    of: Callable[[HeadResult], Mapping[str, Figures]],
    wanted: Iterable[str],
    size: str,
) -> Iterable[Row]:
    """One row per class or group with its main figure, and how much there was of it."""
    present = [of(head) for head in results]
    for name in dict.fromkeys(name for each in present for name in each):
        figures = next(each[name] for each in present if name in each)
        figure = next(key for key in wanted if key in figures)
        amount = f" ({figures[size]:.0f} {size})" if size in figures else ""
        cells = [text_of(figure, each.get(name, {}).get(figure)) for each in present]
        yield f"{label} {name}, {figure}{amount}", cells


def _aligned(rows: list[Row]) -> Iterable[str]:
    first = max(len(label) for label, _ in rows)
    widths = [max(len(cell) for cell in column) for column in zip(*(cells for _, cells in rows), strict=True)]
    for label, cells in rows:
        columns = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        yield _INDENT.join((label.ljust(first), *columns)).rstrip()
