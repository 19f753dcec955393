"""Which pictures are also looked at on their own: by their names, or as the set groups them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from contracts.errors import UsageError

OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Grouping:
    """patterns: group → globs over the names of samples, with or without their folders; the rest are OTHERS.

    by_set: each of the set's own groups (a drive, a video) too.
    """

    patterns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_set: bool = False

    def of(self, name: str, set_group: str) -> tuple[str, ...]:
        """The groups of one sample."""
        short = name.rpartition("/")[2]
        named = [
            group
            for group, globs in self.patterns.items()
            if any(fnmatchcase(name, glob) or fnmatchcase(short, glob) for glob in globs)
        ]
        if self.patterns and not named:
            named = [OTHERS]
        return (*named, *((set_group,) if self.by_set else ()))


def grouping(texts: Sequence[str], *, by_set: bool) -> Grouping:
    """``camvid=camvid_*``, ``true=kitti_*,bdd100k_*`` → Grouping; raises UsageError."""
    patterns = named_lists("--group", texts)
    if OTHERS in patterns:
        raise UsageError(f"--group {OTHERS}: the pictures in no other group are called so", "choose another name")
    return Grouping(patterns, by_set)


def named_lists(option: str, texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each ``NAME=A,B,…`` of an option; raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, _, rest = text.partition("=")
        words = tuple(word.strip() for word in rest.split(",") if word.strip())
        if not name or not words:
            raise UsageError(f"{option} {text}: not NAME=A,B", f"write {option} NAME=A,B")
        if name in found:
            raise UsageError(f"{option} {name} is given twice", f"write {option} {name}=A,B once")
        found[name] = words
    return found
