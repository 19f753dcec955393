"""Ids replaced in the label files themselves: PNG maps and masks, YOLO text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import SourceError, UsageError
from contracts.text import counted
from contracts.validation import read_file
from sources.datasets.png import read_ids
from sources.datasets.sample import UNCOUNTED
from training.data.entries import entries_of, root_of
from training.data.progress import Say, worked
from training.data.view import View, remapped_mask, rules_of
from training.data.writing import put_mask, put_text


@dataclass(frozen=True, slots=True)
class _Job:
    """rules: {id in the file: id that is meant}. classes: how many the head has."""

    source: Path
    target: Path
    rules: Mapping[int, int]
    head: str
    classes: int


def relabel(sets: Sequence[View], output: Path | None, say: Say) -> int:
    """Writes every label file of the remapped heads; returns how many differ from what was there.

    output: a new folder that gets them under their names relative to the set; None: they are replaced, each in one
    step, if that does no harm (``_require_replaceable``). Raises UsageError, SourceError, OutputError.
    """
    jobs = {job.source: job for samples in sets for job in _jobs(samples, output)}
    if not jobs:
        raise UsageError("no label file is of the heads and folders to remap", "write --remap HEAD:FOLDER:6=18")
    if any(job.source.suffix == ".txt" and UNCOUNTED in job.rules.values() for job in jobs.values()):
        raise UsageError("text files cannot say 255, does not count", "remap while reading: remap: of the set, --remap")
    if output is None:
        jobs = {source: job for source, job in jobs.items() if job.rules}
        for job in jobs.values():
            _require_replaceable(job)
    return sum(worked(_done, list(jobs.values()), "remapping", say))


def _require_replaceable(job: _Job) -> None:
    """Raises UsageError where the file could not be replaced without harm.

    Where a rule's result is another rule's beginning, a work cut short could not be taken up again. An id that is no
    class makes a set that cannot be read. A link's file belongs to others as well.
    """
    chained = set(job.rules.values()) & set(job.rules) - {old for old, new in job.rules.items() if old == new}
    if chained:
        raise UsageError(f"id {min(chained)} is both replaced and put in", "give --output: not --in-place")
    strange = [new for new in job.rules.values() if new >= job.classes and new != UNCOUNTED]
    if strange:
        there = f"{job.head} has {counted(job.classes, 'class', 'classes')}"
        cure = f"name all of them: --classes {job.head}=…, or give --output: not --in-place"
        raise UsageError(f"id {min(strange)} is no class: {there}, from 0", cure)
    if job.source.is_symlink():
        cure = "remap the set where that lies, or give --output: not --in-place"
        raise UsageError(f"{job.source} is a link to {job.source.resolve()}, which others may read too", cure)


def _jobs(samples: View, output: Path | None) -> list[_Job]:
    root = root_of(samples).resolve()
    found = []
    for entry in entries_of(samples):
        for head in samples.remap:
            source = entry.labels.get(head)
            if source is None:
                continue
            target = source if output is None else output / _below(source, root)
            rules = rules_of(samples.remap, head, entry.group)
            found.append(_Job(source, target, rules, head, len(samples.classes[head])))
    return found


def _below(source: Path, root: Path) -> Path:
    whole = source.resolve()
    return whole.relative_to(root) if whole.is_relative_to(root) else Path(*whole.parts[-3:])


def _done(job: _Job) -> bool:
    """Whether anything changed. Raises SourceError, UsageError, OutputError."""
    if job.source.suffix == ".txt":
        return _text(job)
    if job.source.suffix == ".png":
        return _png(job)
    raise UsageError(f"{job.source} is neither PNG nor YOLO text", "convert it first: data convert --to yolo")


def _text(job: _Job) -> bool:
    lines = read_file(job.source, "labels", SourceError).splitlines()
    changed = [_line(line, job) if line.strip() else line for line in lines]
    if job.target != job.source or changed != lines:
        put_text(job.target, "".join(f"{line}\n" for line in changed), overwrite=job.target == job.source)
    return changed != lines


def _line(line: str, job: _Job) -> str:
    """The line with another first number, everything else as it was written."""
    first, *rest = line.split(maxsplit=1)
    try:
        old = int(float(first))
    except (ValueError, OverflowError) as fault:
        raise SourceError(f"{job.source}: {first!r} is no class id", "mend it; data check names all such") from fault
    return " ".join([str(job.rules[old]), *rest]) if old in job.rules else line


def _png(job: _Job) -> bool:
    mask, palette = read_ids(job.source)
    changed = remapped_mask(mask, job.rules)
    differs = not np.array_equal(changed, mask)
    if job.target != job.source or differs:
        put_mask(job.target, changed, palette, overwrite=job.target == job.source)
    return differs
