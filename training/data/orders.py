"""What a person says on the command line about a labelled set, as configurations and opened sets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import SourceError, UsageError
from contracts.validation import validated
from training.config import SetConfig
from training.data.entries import SPLITS
from training.data.fileset import FileSet
from training.data.guess import guessed_layout
from training.data.open import open_set
from training.data.view import View

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


def open_ordered(order: SetOrder) -> dict[str, View]:
    """Split → set, at least one. Raises UsageError, SourceError."""
    layout = order.layout or guessed_layout(order.path)
    facts = {
        "path": order.path,
        "layout": layout,
        "classes": parsed_classes(order.classes),
        "remap": parsed_remaps(order.remaps),
        "most": order.most,
    }
    wanted = [split.strip() for split in order.splits.split(",") if split.strip()] if order.splits else []
    found: dict[str, View] = {}
    first: SourceError | None = None
    for split in wanted or SPLITS:
        try:
            opened = open_set(validated(SetConfig, {**facts, "split": split}, order.path, UsageError))
        except SourceError as fault:
            if wanted:
                raise
            first = first or fault
            continue
        if not any(_same(opened, other) for other in found.values()):
            found[split] = opened
    if not found:
        raise first or UsageError(f"--splits {order.splits!r} names none", "write --splits train,val")
    return found


def _same(one: View, other: View) -> bool:
    """A set that is not split answers to every split's name."""
    if isinstance(one.base, FileSet) and isinstance(other.base, FileSet):
        return one.base.entries == other.base.entries
    return one.base == other.base


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
