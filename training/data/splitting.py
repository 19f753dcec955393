"""Which pictures may be separated: a split that does not put neighbouring frames on both sides.

Everything here is about indices: samples 0 … N - 1, a unit id for each; a split takes whole units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UsageError
from contracts.text import counted

Units = NDArray[np.int64]
"""int64 (N,): samples of the same number stay together."""

USUAL_GAP = 10
"""A run ends where the numbers leap by more than so many usual steps."""
_DATE = r"(?P<date>(?:19|20)\d{2}[-_.]?\d{2}[-_.]?\d{2})"
_TIME = re.compile(_DATE + r"[-_ T.]?(?P<time>\d{2}[-_.:h]?\d{2}[-_.:m]?\d{2})(?P<part>[.]\d{1,6})?")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_ADDED = re.compile(r"(_(jpe?g|png|bmp|webp|tiff?))?\.rf\.\w+$|_leftImg8bit$")
"""What Roboflow's export and Cityscapes put behind a frame's name; the digits in it number nothing."""


def by_group(groups: Sequence[str]) -> Units:
    """Folders, drives or videos stay whole."""
    return np.asarray(np.unique(np.array(groups), return_inverse=True)[1], np.int64)


def by_run(names: Sequence[str], groups: Sequence[str], gap: float | None = None) -> Units:
    """Runs of frames stay whole: same folder, same name but for its last number, and no leap between the numbers.

    A date and a time in the name are a number in seconds. gap: the largest step within a run, in those numbers; None:
    ten times the usual step (the median) of its folder. Names without a number are each for themselves.
    """
    places: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for index, (name, group) in enumerate(zip(names, groups, strict=True)):
        frame, number = place_in_run(name)
        places.setdefault((group, frame), []).append((number, index))
    units = np.zeros(len(names), np.int64)
    unit = 0
    for members in places.values():
        members.sort()
        numbers = np.array([number for number, _ in members])
        leaps = np.diff(numbers) > (_usual(numbers) if gap is None else gap)
        within = np.concatenate([[0], np.cumsum(leaps)])
        units[[index for _, index in members]] = unit + within
        unit += int(within[-1]) + 1
    return units


def place_in_run(name: str) -> tuple[str, float]:
    """(the name without its number, the number): seconds of a date and time, else the last digits, else alone."""
    name = _ADDED.sub("", name)
    for match in _TIME.finditer(name):
        digits = re.sub(r"\D", "", match["date"] + match["time"])
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        return name[: match.start()] + "*" + name[match.end() :], moment.timestamp() + float(match["part"] or 0)
    last = _LAST_NUMBER.search(name)
    return (name[: last.start()] + "*" + name[last.end() :], float(last[0])) if last else (name, 0.0)


def _usual(numbers: NDArray[np.float64]) -> float:
    steps = np.diff(numbers)
    steps = steps[steps > 0]
    return USUAL_GAP * float(np.median(steps)) if len(steps) else 0.0


def places_in(units: Units, names: Sequence[str]) -> NDArray[np.int64]:
    """Of each sample in its run, by the number in its name, from 0: int64 (N,)."""
    numbers = np.array([place_in_run(name)[1] for name in names])
    order = np.lexsort((numbers, units))
    _, starts, lengths = np.unique(units[order], return_index=True, return_counts=True)
    places = np.empty(len(units), np.int64)
    places[order] = np.arange(len(units)) - np.repeat(starts, lengths)
    return places


def by_block(runs: Units, places: NDArray[np.int64], length: int) -> Units:
    """Runs cut after every ``length`` frames."""
    pairs = np.stack([runs, places // length], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def too_near(
    runs: Units, places: NDArray[np.int64], splits: Sequence[str], shares: Mapping[str, float], margin: int
) -> NDArray[np.bool_]:
    """Samples within ``margin`` frames of another split in their run, those of the larger split: bool (N,).

    Without them no two frames of a run that are in different splits are so near.
    """
    smallest_first = sorted(shares, key=lambda split: shares[split])
    ranks = np.array([smallest_first.index(split) for split in splits])
    order = np.lexsort((places, runs))
    runs, ranks = runs[order], ranks[order]
    gone = np.zeros(len(order), np.bool_)
    for apart in range(1, min(margin, len(order) - 1) + 1):
        same = runs[:-apart] == runs[apart:]
        gone[:-apart] |= same & (ranks[:-apart] > ranks[apart:])
        gone[apart:] |= same & (ranks[apart:] > ranks[:-apart])
    found = np.zeros(len(order), np.bool_)
    found[order] = gone
    return found


def united(units: Units, pairs: Iterable[tuple[int, int]]) -> Units:
    """Units joined where a pair of samples belongs together, also through others."""
    parent = list(range(int(units.max(initial=-1)) + 1))

    def root(unit: int) -> int:
        while parent[unit] != unit:
            parent[unit] = parent[parent[unit]]
            unit = parent[unit]
        return unit

    for one, two in pairs:
        parent[root(int(units[one]))] = root(int(units[two]))
    return np.array([root(int(unit)) for unit in units], np.int64)


def divided_by_kind(units: Units, kinds: Sequence[int | None], shares: Mapping[str, float], seed: int = 0) -> list[str]:
    """``divided``, each kind of picture for itself, so that every split has of every kind.

    A unit of several kinds goes with its first one.
    """
    first, whose = np.unique(units, return_index=True, return_inverse=True)[1:]
    numbers = np.array([-1 if kind is None else kind for kind in kinds])[first][whose.reshape(-1)]
    found = np.empty(len(units), object)
    for number in np.unique(numbers):
        found[numbers == number] = divided(units[numbers == number], shares, seed)
    return [str(split) for split in found]


def divided(units: Units, shares: Mapping[str, float], seed: int = 0) -> list[str]:
    """A split for each sample: whole units, sizes as near to the shares as those allow.

    The largest unit goes first, each to the split that lacks most of its share; equal ones in random order. Raises
    UsageError where there are fewer units than splits.
    """
    wanted = {split: share for split, share in shares.items() if share > 0}
    ids, sizes = np.unique(units, return_counts=True)
    if len(ids) < len(wanted):
        raise UsageError(
            f"{counted(len(units), 'picture')}: {counted(len(ids), 'part')} to keep together,"
            f" too few for {counted(len(wanted), 'split')}",
            "let less belong together: --keep runs, a smaller --gap, --blocks, --near 0",
        )
    target = {split: share / sum(wanted.values()) * len(units) for split, share in wanted.items()}
    lacking = dict(target)
    chosen: dict[int, str] = {}
    shuffled = np.random.default_rng(seed).permutation(len(ids))
    for place in sorted(shuffled, key=lambda place: -int(sizes[place])):
        split = max(lacking, key=lambda split: lacking[split] / target[split])
        chosen[int(ids[place])] = split
        lacking[split] -= int(sizes[place])
    return [chosen[int(unit)] for unit in units]
