"""Judge: collects what the heads said of labelled pictures, and says how good they were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

from contracts.card import HeadCard
from contracts.prediction import Part
from contracts.protocols import Thresholds
from sources.datasets.sample import BOXES, LABEL, Sample
from training.metrics.areas import Areas
from training.metrics.boxes import Boxes
from training.metrics.class_maps import ClassMaps
from training.metrics.labels import Labels
from training.metrics.lanes import Lanes
from training.metrics.measure import Details, Figures, Measure
from training.metrics.vocabulary import Merge, Vocabulary, vocabulary

_BOX_KINDS = ("yolo_boxes", "yolo_boxes_end2end", "anchor_boxes", "yolo_instances", "road_agents")


class Judge:
    """Heads against labels; only heads that are labelled, and classes that both sides know, are judged.

    classes: of the labels, as ``SampleSet.classes``. heads: cards; their names are those of the parts to come.
    scores: head → score of a run, for precision, recall and success; else the card's, else 0.25. merge: new class name
    → classes of labels and networks that are called so. min_side: labelled boxes shorter than this (px) do not count.

    What is judged is in ``measures``, ``words`` (its classes) and ``keys`` (of its labels), by head.
    """

    def __init__(
        self,
        classes: Mapping[str, tuple[str, ...]],
        heads: Sequence[HeadCard],
        *,
        scores: Mapping[str, float] | None = None,
        merge: Merge | None = None,
        min_side: float = 0.0,
    ) -> None:
        self.measures: dict[str, Measure] = {}
        self.words: dict[str, Vocabulary] = {}
        self.keys: dict[str, str] = {}
        self._records: dict[str, list[tuple[str, Any]]] = {}
        for head in heads:
            key = label_key(head, classes)
            if key is None:
                continue
            # Two classes need no names: one is the other's absence.
            known = classes[key] if _is_two_class(head, classes[key]) else head.classes
            words = vocabulary(classes[key], known, merge)
            if not words.names:
                continue
            score = (scores or {}).get(head.name, Thresholds().score if head.score is None else head.score)
            self.words[head.name], self.keys[head.name] = words, key
            self.measures[head.name] = _measure(head, key, words, score, min_side)
            self._records[head.name] = []

    def add(self, truth: Sample, parts: Mapping[str, Part]) -> None:
        """One picture; parts by head, in pixels of ``truth.picture``. Raises EngineError for a part of another kind."""
        for head, measure in self.measures.items():
            record = measure.record(truth, parts[head]) if head in parts else None
            self._records[head].append((truth.name, record))

    def figures(self, names: Set[str] | None = None) -> dict[str, Figures]:
        """Head → figure → value, over all pictures or those named; NaN where nothing could be judged."""
        return {head: measure.figures(self._chosen(head, names)) for head, measure in self.measures.items()}

    def details(self) -> dict[str, Details]:
        """Head → tables and curves over all pictures."""
        return {head: measure.details(self._chosen(head, None)) for head, measure in self.measures.items()}

    def goodness(self, head: str) -> float:
        """How well a head saw the picture added last, 0 … 1; NaN where there was nothing to see, or no label."""
        record = self._records[head][-1][1]
        return math.nan if record is None else self.measures[head].goodness(record)

    def blank(self, head: str) -> tuple[str, ...]:
        """Labelled pictures in which a head found no box at all at the run's score; other heads: none."""
        measure = self.measures[head]
        if not isinstance(measure, Boxes):
            return ()
        records = self._records[head]
        return tuple(name for name, record in records if record is not None and not measure.anything(record))

    def _chosen(self, head: str, names: Set[str] | None) -> list[Any]:
        return [
            record for name, record in self._records[head] if record is not None and (names is None or name in names)
        ]


def label_key(head: HeadCard, classes: Mapping[str, tuple[str, ...]]) -> str | None:
    """Where the labels of a head are found: by its kind, else by its name or role; None where there are none."""
    by_kind = BOXES if head.kind in _BOX_KINDS else LABEL if head.kind == "classification" else None
    known = (head.name, head.role) if by_kind is None else (by_kind,)
    return next((key for key in known if key in classes), None)


def _is_two_class(head: HeadCard, truth: Sequence[str]) -> bool:
    return head.kind == "two_class_mask" or (head.kind == "mask_ids" and (bool(head.role) or len(truth) <= 2))


def _measure(head: HeadCard, key: str, words: Vocabulary, score: float, min_side: float) -> Measure:
    if key == BOXES:
        return Boxes(head.name, words, score=score, min_side=min_side)
    if key == LABEL:
        return Labels(head.name, words)
    if not _is_two_class(head, words.truth.tolist()):
        return ClassMaps(head.name, key, words)
    return Lanes(head.name, key) if "lane" in (head.role, key) else Areas(head.name, key)
