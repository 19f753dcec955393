"""Which pictures are also looked at on their own: by their names, or as the set groups them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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

    def check(self, set_groups: Collection[str]) -> None:
        """Raises UsageError where a name means two groups, whose pictures would be counted as one."""
        names = (*self.patterns, OTHERS) if self.patterns and self.by_set else ()
        twice = next((name for name in names if name in set_groups), None)
        if twice is not None:
            raise UsageError(
                f"--by-group: a group of the set is called {twice!r}, as one of --group is",
                "leave one of the two options out" if twice == OTHERS else "choose another name in --group",
            )


def grouping(texts: Sequence[str], *, by_set: bool) -> Grouping:
    """``camvid=camvid_*``, ``true=kitti_*,bdd100k_*`` → Grouping; raises UsageError."""
    patterns = named_lists("--group", texts)
    if OTHERS in patterns:
        raise UsageError(f"--group {OTHERS}: the pictures in no other group are called so", "choose another name")
    return Grouping(patterns, by_set)


def merging(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``vehicle=car,bus`` → new class → classes that are called so; raises UsageError, also for a class in two."""
    found = named_lists("--merge", texts)
    owner: dict[str, str] = {}
    for name, classes in found.items():
        for each in classes:
            if owner.setdefault(each, name) != name:
                raise UsageError(
                    f"--merge: {each!r} is to be called {owner[each]!r} and {name!r}", "name it in one of them"
                )
    return found


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
