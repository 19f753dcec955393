"""One engine on a labelled set."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from contracts.card import Card, HeadCard
from contracts.config import EngineConfig, RunConfig
from contracts.errors import EngineError
from sources.datasets.sample import Sample, SampleSet
from training.evaluation.groups import Grouping
from training.evaluation.looking import looking, run_thresholds
from training.evaluation.results import EngineResult, HeadResult, Scene
from training.evaluation.scenes import side_by_side
from training.metrics.judge import Judge
from training.metrics.vocabulary import Merge


@dataclass(frozen=True, slots=True)
class Terms:
    """How engines are judged. run: score and iou of a run. merge: new class → classes called so from now on.

    min_side: labelled boxes shorter than this (px) do not count. worst: pictures per head that are remembered.
    """

    run: RunConfig
    merge: Merge = field(default_factory=dict)
    min_side: float = 0.0
    grouping: Grouping = field(default_factory=Grouping)
    worst: int = 8
    draw: bool = False


def evaluate(
    name: str, config: EngineConfig, data: SampleSet, terms: Terms, progress: Callable[[int], None]
) -> EngineResult:
    """Judges one engine on every sample; progress is called with the number of those that are done.

    Raises EngineError where it cannot run, or where none of its heads is labelled; SourceError for a broken sample.
    """
    with looking(config, terms.run) as looker:
        heads = looker.card.heads
        scores = {head.name: run_thresholds(head, config, terms.run).score for head in heads}
        judge = Judge(data.classes, heads, scores=scores, merge=terms.merge, min_side=terms.min_side)
        judged = [head for head in heads if head.name in judge.measures]
        if not judged:
            raise _nothing_labelled(config, looker.card, data)
        members: dict[str, set[str]] = {}
        worst = {head.name: _Worst(terms.worst, draw=terms.draw) for head in judged}
        with closing(looker.look(_samples(data, terms.grouping, members), judged)) as seen:
            for done, (sample, parts) in enumerate(seen, 1):
                judge.add(sample, parts)
                for head in judged:
                    key = judge.keys[head.name]
                    draw = partial(side_by_side, sample, parts[head.name], key, data.classes[key], scores[head.name])
                    worst[head.name].add(judge.goodness(head.name), sample, draw)
                progress(done)
        notes = (*_notes(judge, looker.card), *_nowhere(looker.card, data, terms, members))
        return EngineResult(name, looker.facts, _results(judge, judged, scores, members, worst), notes)


def _samples(data: SampleSet, grouping: Grouping, members: dict[str, set[str]]) -> Iterator[Sample]:
    """Every sample in order; ``members`` learns which group it belongs to."""
    groups = data.groups
    for index in range(len(data)):
        sample = data[index]
        for group in grouping.of(sample.name, groups[index]):
            members.setdefault(group, set()).add(sample.name)
        yield sample


def _results(
    judge: Judge,
    heads: list[HeadCard],
    scores: Mapping[str, float],
    members: Mapping[str, set[str]],
    worst: Mapping[str, _Worst],
) -> dict[str, HeadResult]:
    figures, details = judge.figures(), judge.details()
    groups = {group: judge.figures(members[group]) for group in sorted(members)}
    return {
        head.name: HeadResult(
            kind=head.kind,
            classes=judge.words[head.name].names,
            score=scores[head.name],
            figures=figures[head.name],
            groups={group: each[head.name] for group, each in groups.items() if each[head.name]["pictures"]},
            details=details[head.name],
            blank=judge.blank(head.name),
            worst=worst[head.name].scenes(),
        )
        for head in heads
    }


class _Worst:
    """The pictures that a head saw worst, so many at most, the worst first."""

    def __init__(self, most: int, *, draw: bool) -> None:
        self._most, self._draw = most, draw
        self._heap: list[tuple[float, int, Scene]] = []
        self._numbers = count()

    def add(self, goodness: float, sample: Sample, draw: Callable[[], bytes]) -> None:
        """Keeps it where it belongs to the worst; drawn at once, as its picture is not kept."""
        if math.isnan(goodness) or not self._most:
            return
        if len(self._heap) == self._most and -self._heap[0][0] <= goodness:
            return
        jpeg = draw() if self._draw else b""
        entry = (-goodness, next(self._numbers), Scene(sample.name, goodness, jpeg))
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def scenes(self) -> tuple[Scene, ...]:
        """The worst first."""
        return tuple(scene for _, _, scene in sorted(self._heap, key=lambda entry: (-entry[0], entry[1])))


def _notes(judge: Judge, card: Card) -> tuple[str, ...]:
    """What was not judged, and why."""
    lines = []
    for head in card.heads:
        if head.name not in judge.measures:
            lines.append(f"{head.name}: not judged, as it is not labelled here or no class is known to both sides")
            continue
        words = judge.words[head.name]
        if words.labels_only:
            lines.append(f"{head.name}: labelled but unknown to the network, not judged: {_listed(words.labels_only)}")
        if words.network_only:
            lines.append(f"{head.name}: known to the network but not labelled, left out: {_listed(words.network_only)}")
    return tuple(lines)


def _nowhere(card: Card, data: SampleSet, terms: Terms, members: Mapping[str, set[str]]) -> Iterator[str]:
    """Names in --merge and --group that mean nothing here: mistyped, they would give other figures unsaid."""
    known = {name for side in (*data.classes.values(), *(head.classes for head in card.heads)) for name in side}
    strange = tuple(name for parts in terms.merge.values() for name in parts if name not in known)
    if strange:
        yield f"--merge: no class of the labels or of this network is called {_listed(strange)}"
    empty = tuple(group for group in terms.grouping.patterns if group not in members)
    if empty:
        yield f"--group: no picture belongs to {_listed(empty)}"


def _listed(names: tuple[str, ...]) -> str:
    """The first ten names, and how many more."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def _nothing_labelled(config: EngineConfig, card: Card, data: SampleSet) -> EngineError:
    heads = "; ".join(f"{head.name} ({head.kind}: {_listed(head.classes) or 'no classes'})" for head in card.heads)
    labels = "; ".join(f"{head}: {_listed(names)}" for head, names in data.classes.items())
    return EngineError(
        f"{config.file}: none of its heads can be judged by these labels. Heads: {heads}. Labels: {labels}",
        "match names of classes with --merge LABEL=NETWORK, or give other --data",
    )
