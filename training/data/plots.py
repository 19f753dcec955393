"""Figures of the report. The only file of the data commands that imports matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from contracts.text import counted, encodable
from sources.datasets.sample import BOXES, LABEL
from training.files import written

if TYPE_CHECKING:
    from training.data.report import Folder

Classes = Mapping[str, Sequence[str]]
_BAR, _SEQUENCE = "#3b6ea5", "viridis"
_GRID = (36, 64)
"""Rows and columns that box centres are counted in."""
_DPI = 110


def draw_folder(folder: Folder, classes: Classes, file: Path) -> None:
    """Bars for each head; where boxes are and how large. Raises OutputError."""
    bars = [head for head in classes if _has(folder, head)]
    boxes, ids = folder.all_boxes()
    panels = len(bars) + (2 if len(boxes) else 0)
    columns = min(max(panels, 1), 3)
    rows = max(-(-panels // columns), 1)
    tallest = max([len(classes[head]) for head in bars], default=4)
    figure = Figure(figsize=(4.7 * columns + 1.5, rows * max(3.2, 0.24 * tallest + 1.2)), layout="constrained")
    figure.suptitle(f"{encodable(folder.name)}: {counted(folder.samples, 'picture')}", fontsize=12)
    places = [figure.add_subplot(rows, columns, number + 1) for number in range(panels)]
    for axes, head in zip(places, bars, strict=False):
        _draw_bars(axes, folder, head, classes[head])
    if len(boxes):
        _draw_centres(places[-2], boxes)
        _draw_sizes(places[-1], boxes, ids, classes[BOXES])
    _save(figure, file)


def draw_folders(folders: Sequence[Folder], classes: Classes, file: Path) -> None:
    """Each head: folders down, classes across, how much of the folder's labels a class has. Raises OutputError."""
    heads = [head for head in classes if any(_has(folder, head) for folder in folders)]
    wide = [max(len(classes[head]), 4) for head in heads]
    size = (4 + 0.45 * sum(wide) + len(heads), max(3.6, 2 + 0.24 * len(folders)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(heads), squeeze=False, gridspec_kw={"width_ratios": wide})[0] if heads else []
    for place, (axes, head) in enumerate(zip(panels, heads, strict=True)):
        table = np.array([_shares(folder, head, len(classes[head])) for folder in folders])
        image = axes.imshow(np.ma.masked_less_equal(table, 0), aspect="auto", cmap=_SEQUENCE, norm=LogNorm(1e-3, 1))
        axes.set_title(head, fontsize=10)
        axes.set_xticks(range(len(classes[head])), classes[head], rotation=60, ha="right", fontsize=8)
        names = [f"{encodable(folder.name)}  ({folder.samples})" for folder in folders] if place == 0 else []
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.tick_params(length=0, left=place == 0)
        if place == len(heads) - 1:
            bar = figure.colorbar(image, ax=axes, label="share of the folder's labels", shrink=0.8)
            bar.set_ticks([1e-3, 1e-2, 1e-1, 1], labels=["0.1 %", "1 %", "10 %", "100 %"])
    _save(figure, file)


def _has(folder: Folder, head: str) -> bool:
    if head == BOXES:
        return any(len(ids) for ids in folder.class_ids)
    return bool(folder.labels) if head == LABEL else head in folder.pixels


def _numbers(folder: Folder, head: str, number: int) -> NDArray[np.int64]:
    """int64 (number,): boxes, pixels or pictures of each class."""
    if head == BOXES:
        return np.asarray(np.bincount(folder.all_boxes()[1], minlength=number)[:number], np.int64)
    if head == LABEL:
        return np.array([folder.labels.get(label, 0) for label in range(number)], np.int64)
    return folder.pixels.get(head, np.zeros(number, np.int64))


def _shares(folder: Folder, head: str, number: int) -> NDArray[np.float64]:
    numbers = _numbers(folder, head, number).astype(np.float64)
    return numbers / max(float(numbers.sum()), 1.0)


def _draw_bars(axes: Axes, folder: Folder, head: str, names: Sequence[str]) -> None:
    numbers, shares = _numbers(folder, head, len(names)), _shares(folder, head, len(names))
    counted = head in (BOXES, LABEL)
    axes.barh(range(len(names)), numbers if counted else 100 * shares, color=_BAR, height=0.7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    for place, (number, share) in enumerate(zip(numbers.tolist(), shares.tolist(), strict=True)):
        text = f" {number}" if counted else f" {_percent(share)}"
        axes.text(number if counted else 100 * share, place, text, va="center", fontsize=8)
    axes.margins(x=0.18)
    axes.set_title(head, fontsize=10)
    unlabelled = folder.uncounted.get(head, 0)
    note = f", {_percent(unlabelled / (unlabelled + int(numbers.sum())))} do not count" if unlabelled else ""
    unit = {BOXES: "boxes", LABEL: "pictures"}.get(head, f"% of the pixels{note}")
    axes.set_xlabel(unit, fontsize=9)
    _plain(axes)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 1e-3 or share == 0 else "< 0.1 %"


def _draw_centres(axes: Axes, boxes: NDArray[np.float32]) -> None:
    """How many boxes have their centre where in the picture."""
    across, down = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    counts, _, _ = np.histogram2d(down, across, bins=_GRID, range=((0, 1), (0, 1)))
    image = axes.imshow(np.ma.masked_equal(counts, 0), extent=(0, 16, 9, 0), cmap=_SEQUENCE, norm=LogNorm(1, None))
    axes.set_facecolor("#f4f4f4")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("centres of boxes in the picture", fontsize=10)
    axes.figure.colorbar(image, ax=axes, shrink=0.75, label="boxes")


def _draw_sizes(axes: Axes, boxes: NDArray[np.float32], ids: NDArray[np.int64], names: Sequence[str]) -> None:
    """The square root of width × height, as a share of the picture's: one line per class."""
    sizes = np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-8))
    edges = np.geomspace(max(float(sizes.min()), 1e-3), 1, 25)
    common = np.argsort(-np.bincount(ids, minlength=len(names))[: len(names)])[:8]
    for kind in common:
        if (ids == kind).any():
            counts, _ = np.histogram(sizes[ids == kind], edges)
            axes.stairs(counts, 100 * edges, label=names[kind], linewidth=1.5)
    axes.set_xscale("log")
    axes.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    axes.minorticks_off()
    axes.set_xlabel("√(width × height), % of the picture", fontsize=9)
    axes.set_ylabel("boxes", fontsize=9)
    axes.set_title("sizes of boxes", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _save(figure: Figure, file: Path) -> None:
    FigureCanvasAgg(figure)
    with written(file, overwrite=False) as part:
        figure.savefig(part, dpi=_DPI, format="png")
