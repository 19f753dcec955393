"""What a person says on the command line about a labelled set, as configurations and opened sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.text import did_you_mean
from contracts.validation import validated
from sources.datasets.fileset import FileSet, MissingSplitError
from sources.datasets.guess import guessed_layout
from sources.datasets.open import open_layout
from sources.datasets.sample import SampleSet
from training.config import SetConfig
from training.data.entries import SPLITS
from training.data.progress import Say
from training.data.view import EVERYWHERE, Remap, View, viewed

_RULE = re.compile(r"(\d+)=(\d+)")


@dataclass(frozen=True, slots=True)
class SetOrder:
    """layout: None, told by the folder. splits: None, all there are. classes, remaps: as on the command line."""

    path: str
    layout: str | None = None
    splits: str | None = None
    classes: Sequence[str] = ()
    remaps: Sequence[str] = ()
    most: int | None = None


def open_ordered(order: SetOrder, say: Say) -> dict[str, View]:
    """Split → set, at least one; says which usual ones are not there. Raises UsageError, SourceError."""
    configs = _configs(order)
    found: dict[str, tuple[SetConfig, SampleSet]] = {}
    missing: dict[str, MissingSplitError] = {}
    for split, config in configs.items():
        try:
            opened = open_layout(config)
        except MissingSplitError as fault:
            if order.splits:
                raise
            missing[split] = fault
            continue
        if not any(_same(opened, other) for _, other in found.values()):
            found[split] = config, opened
    if not found:
        none = UsageError(f"--splits {order.splits!r} names none", "write --splits train,val")
        raise next(iter(missing.values()), none)
    for split, why in missing.items():
        say(f"{split}: not there: {why.message}")
    remaps = _by_split(parsed_remaps(order.remaps), {split: opened for split, (_, opened) in found.items()})
    return {
        split: viewed(opened, config.model_copy(update={"remap": remaps[split]}))
        for split, (config, opened) in found.items()
    }


def _configs(order: SetOrder) -> dict[str, SetConfig]:
    """One per split that may be there. Raises UsageError, SourceError."""
    facts = {
        "path": order.path,
        "layout": order.layout or guessed_layout(order.path),
        "classes": parsed_classes(order.classes),
        "most": order.most,
    }
    wanted = [split.strip() for split in order.splits.split(",") if split.strip()] if order.splits else SPLITS
    return {split: validated(SetConfig, {**facts, "split": split}, order.path, UsageError) for split in wanted}


def _by_split(remap: Remap, sets: Mapping[str, SampleSet]) -> dict[str, Remap]:
    """For each split the rules of the folders it has. Raises UsageError for a folder that none has."""
    groups = {split: {*samples.groups, EVERYWHERE} for split, samples in sets.items()}
    known = set().union(*groups.values())
    for folder in {folder for folders in remap.values() for folder in folders} - known:
        raise UsageError(f"--remap: the set has no folder {folder!r}", did_you_mean(folder, known))
    return {
        split: {
            head: {folder: rules for folder, rules in folders.items() if folder in there}
            for head, folders in remap.items()
        }
        for split, there in groups.items()
    }


def _same(one: SampleSet, other: SampleSet) -> bool:
    """A set that is not split answers to every split's name."""
    if isinstance(one, FileSet) and isinstance(other, FileSet):
        return one.entries == other.entries
    return one == other


def parsed_classes(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``HEAD=A,B`` each. Raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        head, equals, names = text.partition("=")
        if not equals or not head or not names.strip():
            raise UsageError(f"--classes {text}: not HEAD=A,B", "write --classes boxes=car,bus")
        found[head] = tuple(name.strip() for name in names.split(","))
    return found


def parsed_remaps(texts: Sequence[str]) -> dict[str, dict[str, dict[int, int]]]:
    """``HEAD:FOLDER:6=18,7=255`` each; a folder's name may have colons. Raises UsageError."""
    found: dict[str, dict[str, dict[int, int]]] = {}
    for text in texts:
        head, _, rest = text.partition(":")
        folder, _, rules = rest.rpartition(":")
        matches = [_RULE.fullmatch(rule.strip()) for rule in rules.split(",")]
        if not head or not folder or not all(matches):
            raise UsageError(f"--remap {text}: not HEAD:FOLDER:OLD=NEW,…", "write --remap 'classes:*:6=18'")
        pairs = {int(match[1]): int(match[2]) for match in matches if match}
        found.setdefault(head, {}).setdefault(folder, {}).update(pairs)
    return found


def parsed_shares(text: str) -> dict[str, float]:
    """``7:2:1`` or ``8:2``, of train, val and test. Raises UsageError."""
    try:
        shares = [float(part) for part in text.split(":")]
        fine = 1 < len(shares) <= len(SPLITS) and all(0 <= share < float("inf") for share in shares) and sum(shares) > 0
    except ValueError:
        fine = False
    if not fine:
        raise UsageError(f"--shares {text}: not two or three numbers", "write --shares 7:2:1")
    return {split: share for split, share in zip(SPLITS, shares, strict=False) if share > 0}
