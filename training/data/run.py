"""The data commands, run: what argparse found in, work done, lines out."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from contracts.errors import SourceError, UsageError
from contracts.text import counted, encodable
from sources.datasets.fileset import Entry
from sources.picturefiles import read_picture
from training.data.check import Examined, Finding, copies, examine, orphans
from training.data.entries import entries_of, listed, new_folder, splitless
from training.data.fingerprints import BITS, fingerprint, near_pairs
from training.data.orders import SetOrder, open_ordered, parsed_shares
from training.data.progress import Say, worked
from training.data.splitting import Units, by_block, by_group, by_run, divided_by_kind, places_in, too_near, united
from training.data.view import View
from training.data.writing import put_text

BROKEN = SourceError.exit_code
"""Exit code of a strict check that found errors."""


def run(parsed: argparse.Namespace, say: Say, answer: Say) -> int:
    """One of the subcommands; returns the exit code. ``answer`` gets what was asked for, ``say`` everything else.

    Raises UsageError, SourceError, OutputError.
    """
    if parsed.most is not None and parsed.most < 1:
        raise UsageError("--most is less than 1", "leave it out for all")
    if parsed.data_command in ("check", "split") and not 0 <= parsed.near < BITS:
        raise UsageError(f"--near {parsed.near} is not 0 to {BITS - 1}", "0 compares nothing, 10 finds copies")
    order = SetOrder(parsed.path, parsed.layout, parsed.splits, parsed.classes, parsed.remap, parsed.most)
    sets = open_ordered(order, say)
    for split, samples in sets.items():
        folders = counted(len(set(samples.groups)), "folder")
        say(f"{split}: {counted(len(samples), 'picture')} in {folders}")
    return _COMMANDS[parsed.data_command](parsed, sets, say, lambda line: answer(encodable(line)))


def _check(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    examined: dict[str, list[Examined]] = {}
    shown: Counter[tuple[str, str]] = Counter()

    def tell(finding: Finding) -> None:
        shown[finding.severity, finding.kind] += 1
        if shown[finding.severity, finding.kind] <= parsed.most_lines:
            answer(str(finding))

    for split, samples in sets.items():
        examined[split] = []
        for each in worked(partial(examine, samples), range(len(samples)), f"checking {split}", say):
            examined[split].append(each)
            for finding in each.findings:
                tell(finding)
    for finding in orphans(list(sets.values())):
        tell(finding)
    for finding in copies(examined, parsed.near):
        tell(finding)
    for line in _summary(shown, parsed.most_lines):
        answer(line)
    errors = sum(number for (severity, _), number in shown.items() if severity == "error")
    return BROKEN if errors and parsed.strict else 0


def _summary(shown: Counter[tuple[str, str]], most: int) -> list[str]:
    lines = []
    for (severity, kind), number in sorted(shown.items()):
        cut = f", the first {most} shown (--most-lines)" if number > most else ""
        lines.append(f"{severity}s [{kind}]: {number}{cut}")
    return lines or ["nothing found"]


def _report(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    from training.data.report import write_report

    output = new_folder(Path(parsed.output), [Path(parsed.path)])
    answer(str(write_report(sets, output, say)))
    return 0


def _split(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    from training.data.split_files import gathered, write_split

    shares = parsed_shares(parsed.shares)
    if parsed.seed < 0:
        raise UsageError(f"--seed {parsed.seed} is less than 0", "give any whole number from 0")
    if parsed.gap is not None and not parsed.gap >= 0:  # so that nan is refused as well
        raise UsageError(f"--gap {parsed.gap:g} is less than 0", "write --gap 0 where every picture goes by itself")
    if parsed.margin < 0:
        raise UsageError(f"--margin {parsed.margin} is less than 0", "write --margin 0 to leave no frames out")
    if parsed.blocks is not None and (parsed.blocks < 1 or parsed.keep == "groups"):
        raise UsageError("--blocks cuts runs into at least one frame", "write --blocks 500 without --keep groups")
    output = new_folder(Path(parsed.output), [Path(parsed.path)])
    entries = gathered(list(sets.values()))
    chosen: dict[str, list[Entry]] = {split: [] for split in shares}
    for entry, split in zip(entries, _splits(parsed, entries, shares, say), strict=True):
        if split is not None:
            chosen[split].append(entry)
    write_split(list(sets.values()), chosen, output, parsed.files, say)
    for split, part in chosen.items():
        answer(f"{split}: {counted(len(part), 'picture')}, {100 * len(part) / len(entries):.1f} %")
    return 0


def _splits(
    parsed: argparse.Namespace, entries: list[Entry], shares: dict[str, float], say: Say
) -> Sequence[str | None]:
    """Of each entry, as ordered; None: left out."""
    names = [splitless(Path(entry.name)).as_posix() for entry in entries]
    groups = [splitless(Path(entry.group)).as_posix() for entry in entries]
    kinds = [entry.label for entry in entries]
    runs = by_run(names, groups, parsed.gap)
    if parsed.blocks is None:
        fewest = min(Counter(kind for kind, _ in set(zip(kinds, groups, strict=True))).values())  # folders of a kind
        whole = parsed.keep == "groups" or (parsed.keep == "auto" and fewest >= len(shares))
        units = by_group(groups) if whole else runs
        return divided_by_kind(_with_look_alikes(units, entries, parsed.near, say), kinds, shares, parsed.seed)
    places = places_in(runs, names)

    def far(pair: tuple[int, int]) -> bool:  # nearer ones are kept apart by the margin
        return bool(runs[pair[0]] != runs[pair[1]] or abs(places[pair[0]] - places[pair[1]]) > parsed.margin)

    units = _with_look_alikes(by_block(runs, places, parsed.blocks), entries, parsed.near, say, far)
    splits = divided_by_kind(units, kinds, shares, parsed.seed)
    gone = too_near(runs, places, splits, shares, parsed.margin)
    say(f"{counted(int(gone.sum()), 'picture')} left out where blocks part")
    return [None if left_out else split for split, left_out in zip(splits, gone, strict=True)]


def _with_look_alikes(
    units: Units,
    entries: list[Entry],
    near: int,
    say: Say,
    wanted: Callable[[tuple[int, int]], bool] = lambda _pair: True,
) -> Units:
    """Units joined where pictures look the same; says how many there are."""
    kinds = len(set(units.tolist()))
    if near:
        looks = list(worked(_look, entries, "comparing", say))
        units = united(units, filter(wanted, near_pairs(looks, near)))
    left = len(set(units.tolist()))
    alike = f"; {kinds - left} of them put with others that look the same" if left < kinds else ""
    say(f"{counted(len(entries), 'picture')} in {counted(kinds, 'part')} to keep together{alike}")
    return units


def _look(entry: Entry) -> tuple[int, int, int, int]:
    return fingerprint(read_picture(entry.picture)).look


def _convert(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    from training.data.convert import to_coco, to_masks, to_yolo

    if not 0 <= parsed.background <= 255:
        raise UsageError(f"--background {parsed.background} is not 0 to 255", "255: does not count")
    output = new_folder(Path(parsed.output), [Path(parsed.path)])
    if parsed.to == "yolo":
        left_out = to_yolo(sets, output, parsed.files, say)
        if left_out:
            say(f"{counted(left_out, 'region')} left out: YOLO text cannot say what does not count")
    elif parsed.to == "coco":
        to_coco(sets, output, parsed.files, say)
    elif parsed.to == "drive":
        from training.data.to_drive import to_drive

        to_drive(sets, output, say)
    else:
        to_masks(sets, output, parsed.background, say)
    answer(str(output))
    return 0


def _remap(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    from training.data.relabel import relabel

    if not parsed.remap:
        raise UsageError("nothing is to be remapped", "write --remap HEAD:FOLDER:6=18")
    output = None if parsed.in_place else new_folder(Path(parsed.output), [Path(parsed.path)])
    changed = relabel(list(sets.values()), output, say)
    differ = "differs from what it was" if changed == 1 else "differ from what they were"
    answer(f"{counted(changed, 'label file')} {differ}")
    return 0


def _list(parsed: argparse.Namespace, sets: dict[str, View], say: Say, answer: Say) -> int:
    from training.data.split_files import write_lists

    del say
    output = new_folder(Path(parsed.output), [Path(parsed.path)])
    chosen = {split: entries_of(samples) for split, samples in sets.items()}
    if not parsed.labels:
        for path in write_lists(chosen, output):
            answer(str(path))
        return 0
    for split, entries in chosen.items():
        pairs = [" ".join(listed([file], output).strip() for file in _files(entry)) for entry in entries]
        put_text(output / f"{split}.lst", "".join(f"{pair}\n" for pair in pairs))
        answer(str(output / f"{split}.lst"))
    return 0


def _files(entry: Entry) -> list[Path]:
    return [entry.picture, *entry.labels.values()]


_COMMANDS: dict[str, Callable[[argparse.Namespace, dict[str, View], Say, Say], int]] = {
    "check": _check,
    "report": _report,
    "split": _split,
    "convert": _convert,
    "remap": _remap,
    "list": _list,
}
