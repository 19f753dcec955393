"""Writes a split: list files, or a new tree in the layout of the set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from contracts.errors import UsageError
from sources.datasets.coco import CocoSet
from sources.datasets.fileset import Entry
from sources.datasets.yolo import YoloBoxes, YoloPolygons
from training.data.entries import Way, brought, entries_of, listed, placed, root_of
from training.data.progress import Say, worked
from training.data.view import View
from training.data.writing import put_data_yaml, put_text


def write_split(
    sets: Sequence[View], chosen: Mapping[str, Sequence[Entry]], output: Path, way: Literal["lists"] | Way, say: Say
) -> None:
    """List files, or (link, copy) the tree; for YOLO a data.yaml as well. Raises OutputError, UsageError."""
    if way == "lists":
        write_lists(chosen, output)
        places = {split: f"{split}.txt" for split in chosen}
    else:
        places = write_tree(sets, chosen, output, way, say)
    if isinstance(sets[0].base, YoloBoxes | YoloPolygons):
        put_data_yaml(output / "data.yaml", places, next(iter(sets[0].classes.values())))


def write_lists(chosen: Mapping[str, Sequence[Entry]], output: Path) -> list[Path]:
    """``train.txt`` and so on, a picture per line. Raises OutputError, UsageError."""
    written = []
    for split, entries in chosen.items():
        file = output / f"{split}.txt"
        put_text(file, listed([entry.picture for entry in entries], output))
        written.append(file)
    return written


def write_tree(
    sets: Sequence[View], chosen: Mapping[str, Sequence[Entry]], output: Path, way: Way, say: Say
) -> dict[str, str]:
    """Pictures and labels by their split, below ``output``; returns split → folder of its pictures, relative.

    Raises OutputError, UsageError.
    """
    if any(isinstance(each.base, CocoSet) for each in sets):
        raise UsageError("a COCO file is one for many pictures", "convert it first: data convert --to yolo")
    root = root_of(sets[0])
    moves: dict[Path, Path] = {}
    for split, entries in chosen.items():
        for entry in entries:
            for file in (entry.picture, *entry.labels.values(), *entry.company):
                target = output / placed(_relative(file, root), split)
                if moves.setdefault(target, file) != file:
                    raise UsageError(f"{moves[target]} and {file} would both become {target}", "rename one of them")
    for _ in worked(lambda pair: brought(pair[1], pair[0], way), list(moves.items()), "writing", say):
        pass
    return {
        split: _common([placed(_relative(entry.picture, root), split) for entry in entries])
        for split, entries in chosen.items()
    }


def _common(pictures: Sequence[Path]) -> str:
    return Path(os.path.commonpath([path.parent for path in pictures])).as_posix() if pictures else "."


def gathered(sets: Sequence[View]) -> list[Entry]:
    """The entries of several splits of one set."""
    return [entry for each in sets for entry in entries_of(each)]


def _relative(file: Path, root: Path) -> Path:
    if not file.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{file} lies outside of {root}", "split it into lists (leave --files out)")
    return file.resolve().relative_to(root.resolve())
