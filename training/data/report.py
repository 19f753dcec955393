"""A page of figures on a labelled set: how often which class is where, per folder."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.text import counted, encodable
from sources.datasets.sample import BOXES, LABEL, UNCOUNTED, Sample
from training.data.plots import draw_folder, draw_folders
from training.data.progress import Say, worked
from training.data.view import View
from training.data.writing import put_text

MOST_FOLDERS = 40
"""With figures of their own; the smallest of more are drawn as one."""
_OTHERS = "all other folders"


@dataclass(slots=True, eq=False)
class Folder:
    """What is in the samples of one folder.

    pixels: mask head → int64 (classes,), pixels of each class. boxes: float32 (N, 4), x1 y1 x2 y2 as shares of the
    picture; class_ids int64 (N,). labels: int64 (classes,). uncounted: mask head → pixels of 255.
    """

    name: str
    samples: int = 0
    unreadable: int = 0
    pixels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    class_ids: list[NDArray[np.int64]] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)

    def add(self, other: Folder) -> None:
        """Counts another one in."""
        self.samples += other.samples
        self.unreadable += other.unreadable
        for head, counts in other.pixels.items():
            self.pixels[head] = self.pixels.get(head, np.zeros_like(counts)) + counts
        for head, number in other.uncounted.items():
            self.uncounted[head] = self.uncounted.get(head, 0) + number
        for label, number in other.labels.items():
            self.labels[label] = self.labels.get(label, 0) + number
        self.boxes += other.boxes
        self.class_ids += other.class_ids

    def all_boxes(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(float32 (N, 4) as shares, int64 (N,))."""
        none = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
        return np.concatenate([none[0], *self.boxes]), np.concatenate([none[1], *self.class_ids])


def folders_of(samples: View, what: str, say: Say) -> list[Folder]:
    """One per group, the largest first. A sample that cannot be read counts as unreadable."""
    folders: dict[str, Folder] = {}
    for group, found in worked(lambda index: _counted(samples, index), range(len(samples)), what, say):
        folders.setdefault(group, Folder(group)).add(found)
    return sorted(folders.values(), key=lambda folder: (-folder.samples, folder.name))


def _counted(samples: View, index: int) -> tuple[str, Folder]:
    group = samples.groups[index]
    try:
        return group, _of_sample(samples[index], samples.classes)
    except SourceError:
        return group, Folder(group, unreadable=1)


def _of_sample(sample: Sample, classes: Mapping[str, Sequence[str]]) -> Folder:
    height, width = sample.picture.shape[:2]
    found = Folder("", samples=1)
    for head, mask in sample.masks.items():
        counts = np.bincount(mask.reshape(-1), minlength=256)
        found.pixels[head] = counts[: len(classes[head])].astype(np.int64)
        found.uncounted[head] = int(counts[UNCOUNTED])
    size = np.array([width, height, width, height], np.float32)
    found.boxes = [np.asarray(sample.boxes[sample.counts] / size, np.float32)]
    found.class_ids = [sample.class_ids[sample.counts]]
    if sample.label is not None:
        found.labels = {sample.label: 1}
    return found


def write_report(sets: Mapping[str, View], output: Path, say: Say) -> Path:
    """index.html and PNG files below ``output``; returns the page. Raises OutputError."""
    parts: list[str] = []
    for split, samples in sets.items():
        folders = folders_of(samples, f"reading {split}", say)
        parts.append(_section(split, samples.classes, folders, output))
    title = f"Labelled set, {', '.join(sets)}"
    page = output / "index.html"
    put_text(page, _PAGE.format(title=html.escape(title), body=encodable("\n".join(parts))))
    return page


def _section(split: str, classes: Mapping[str, Sequence[str]], folders: list[Folder], output: Path) -> str:
    total = Folder(split)
    for folder in folders:
        total.add(folder)
    shown = list(_largest(folders))
    lines = [f"<h2>{html.escape(split)}</h2>", _table(total, classes, len(folders))]
    for number, folder in enumerate([total, *(shown if len(shown) > 1 else [])]):
        file = output / f"{split}-{number:03}.png"
        draw_folder(folder, classes, file)
        lines.append(_figure(folder.name, file))
        if number == 0 and len(shown) > 1:
            overview = output / f"{split}-folders.png"
            draw_folders(shown, classes, overview)
            lines.append(_figure("folders side by side", overview))
    return "\n".join(lines)


def _largest(folders: Sequence[Folder]) -> Iterator[Folder]:
    """At most MOST_FOLDERS, the last of them what is left of more."""
    many = len(folders) > MOST_FOLDERS
    yield from folders[: MOST_FOLDERS - 1 if many else MOST_FOLDERS]
    if many:
        others = Folder(_OTHERS)
        for folder in folders[MOST_FOLDERS - 1 :]:
            others.add(folder)
        yield others


def _figure(name: str, file: Path) -> str:
    return f'<h3>{html.escape(name)}</h3><img src="{html.escape(file.name)}" alt="{html.escape(name)}" loading="lazy">'


def _table(total: Folder, classes: Mapping[str, Sequence[str]], folders: int) -> str:
    """Class by class, in numbers."""
    size = f"{counted(total.samples, 'picture')} in {counted(folders, 'folder')}, {total.unreadable} unreadable"
    rows = [f"<tr><td>{size}</td><td></td></tr>"]
    for head, names in classes.items():
        rows += [
            f"<tr><td>{html.escape(head)}: {html.escape(name)}</td><td>{value}</td></tr>"
            for name, value in zip(names, _values(total, head, len(names)), strict=True)
        ]
    return f"<table>{''.join(rows)}</table>"


def _values(total: Folder, head: str, number: int) -> list[str]:
    if head == BOXES:
        return [str(count) for count in np.bincount(total.all_boxes()[1], minlength=number)[:number]]
    if head == LABEL:
        return [str(total.labels.get(label, 0)) for label in range(number)]
    pixels = total.pixels.get(head, np.zeros(number, np.int64))
    return [f"{100 * share:.3f} %" for share in pixels / max(int(pixels.sum()), 1)]


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222 }}
img {{ max-width: 100%; height: auto }} h3 {{ margin: 2rem 0 .3rem; font-weight: 600 }}
table {{ border-collapse: collapse }} td {{ padding: .1rem 1.2rem .1rem 0; border-bottom: 1px solid #e4e4e4 }}
td:last-child {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""
