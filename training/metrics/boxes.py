"""Boxes: average precision over all scores; precision, recall and success at the score of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.prediction import Detections, InstanceMasks, Part
from sources.datasets.sample import Sample
from training.metrics.average_precision import average_precisions
from training.metrics.box_record import BoxRecord, matches
from training.metrics.measure import Curve, Details, Figures, misfit
from training.metrics.ratio import mean, ratio
from training.metrics.vocabulary import Vocabulary

NOTHING = "(nothing)"
_CURVE_POINTS = 200


class Boxes:
    """map50, map50_95: mean over the classes that have boxes, as COCO computes them.

    precision, recall: over all boxes at the score of a run (``score``), found from IoU ½. best_f1: the largest
    2PR/(P+R) over all scores, with its precision, recall and score. success: share of all pictures with labels, also
    of those with nothing to find, in which anything was found at all (a box of a judged class from the run's score on,
    right or wrong). min_side: labelled boxes with a shorter side (px) become regions that do not count.
    """

    def __init__(self, head: str, words: Vocabulary, *, score: float, min_side: float = 0.0) -> None:
        self._head, self._words, self._score, self._min_side = head, words, score, min_side

    def record(self, truth: Sample, part: Part) -> BoxRecord | None:
        """One picture's boxes, of classes both sides know; None where nobody looked for boxes."""
        detections = part.detections if isinstance(part, InstanceMasks) else part
        if not isinstance(detections, Detections):
            raise misfit(self._head, part, "boxes")
        if _is_unlabelled(truth):
            return None
        boxes = truth.boxes.astype(np.float64)
        ids = np.where(truth.counts, self._words.of_truth(truth.class_ids), -1)
        small = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) < self._min_side
        wanted = (ids >= 0) & ~small
        found_ids = self._words.of_predicted(detections.class_ids)
        known = found_ids >= 0
        return BoxRecord(
            boxes[wanted],
            ids[wanted],
            boxes[~truth.counts | ((ids >= 0) & small)],
            detections.boxes[known].astype(np.float64),
            found_ids[known],
            detections.scores[known],
        )

    def figures(self, records: Sequence[BoxRecord]) -> Figures:
        """map50, map50_95, precision, recall, success, best_f1 (…_precision, …_recall, …_score), boxes, pictures."""
        precisions = average_precisions(records, len(self._words.names))
        curve = _Curve(_matched(records))
        busy = [record for record in records if len(record.boxes)]
        return {
            "map50": mean(precisions[:, 0].tolist()),
            "map50_95": mean(precisions.mean(axis=1).tolist()),
            "precision": curve.at(self._score)[0],
            "recall": curve.at(self._score)[1],
            "success": ratio(sum(self.anything(record) for record in records), len(records)),
            **curve.best(),
            "boxes": sum(len(record.boxes) for record in records),
            "pictures": len(busy),
        }

    def anything(self, record: BoxRecord) -> bool:
        """Whether anything was found at the run's score."""
        return bool((record.scores >= self._score).any())

    def details(self, records: Sequence[BoxRecord]) -> Details:
        """Per class AP, precision and recall; who was taken for whom at the run's score; precision over recall."""
        names = self._words.names
        precisions = average_precisions(records, len(names))
        matched = _matched(records)
        rows: dict[str, Figures] = {}
        for index, name in enumerate(names):
            precision, recall = _Curve(matched, index).at(self._score)
            rows[name] = {
                "ap50": float(precisions[index, 0]),
                "ap50_95": float(precisions[index].mean()),
                "precision": precision,
                "recall": recall,
                "boxes": sum(int(np.count_nonzero(record.class_ids == index)) for record in records),
            }
        sides = (*names, NOTHING)
        return Details(rows, sides, sides, self._confusion(records), _Curve(matched).points())

    def goodness(self, record: BoxRecord) -> float:
        """F1 at the run's score."""
        kept = above(record, self._score)
        matched = matches(kept)
        hits = int(np.count_nonzero(matched >= 0))
        return ratio(2 * hits, len(kept.boxes) + int(np.count_nonzero(matched != -2)))

    def _confusion(self, records: Sequence[BoxRecord]) -> NDArray[np.int64]:
        """Boxes of a class (rows) found as a class; last row: nothing was there, last column: nothing was found."""
        count = len(self._words.names)
        matrix = np.zeros((count + 1, count + 1), np.int64)
        for record in records:
            kept = above(record, self._score)
            matched = matches(kept, any_class=True)
            truth_ids = np.append(kept.class_ids, count)
            judged = matched != -2
            np.add.at(matrix, (truth_ids[matched[judged]], kept.found_ids[judged]), 1)
            missed = np.setdiff1d(np.arange(len(kept.boxes)), matched)
            np.add.at(matrix[:, count], kept.class_ids[missed], 1)
        return matrix


def _is_unlabelled(truth: Sample) -> bool:
    """Whether nothing of the picture is judged: all of it is a region that does not count, as Sample says it."""
    height, width = truth.picture.shape[:2]
    regions = truth.boxes[~truth.counts]
    return not truth.counts.any() and bool(
        ((regions[:, :2] <= 0).all(axis=1) & (regions[:, 2:] >= (width, height)).all(axis=1)).any()
    )


def _matched(records: Sequence[BoxRecord]) -> list[tuple[BoxRecord, NDArray[np.int64]]]:
    """Each with its ``matches``: the same for every class, and by far the most work."""
    return [(record, matches(record)) for record in records]


class _Curve:
    """Precision and recall over falling scores, of one class or all together.

    A score that several boxes share is one point, whatever their order.
    """

    def __init__(self, records: Sequence[tuple[BoxRecord, NDArray[np.int64]]], class_id: int | None = None) -> None:
        scores, hits = [np.zeros(0)], [np.zeros(0, np.bool_)]
        for record, matched in records:
            judged = matched != -2
            if class_id is not None:
                judged &= record.found_ids == class_id
            scores.append(record.scores[judged].astype(np.float64))
            hits.append(matched[judged] >= 0)
        every = np.concatenate(scores)
        order = np.argsort(-every, kind="stable")
        ends = np.append(np.diff(every[order]) != 0, True)[: len(order)]
        self._scores = every[order][ends]
        self._hits = np.cumsum(np.concatenate(hits)[order])[ends]
        self._found = np.arange(1, len(order) + 1)[ends]
        self._wanted = sum(
            len(record.boxes) if class_id is None else int(np.count_nonzero(record.class_ids == class_id))
            for record, _ in records
        )

    def at(self, score: float) -> tuple[float, float]:
        """Precision and recall of the boxes from this score on."""
        least = float(np.float32(score))  # as everything that compares the boxes' own scores, which are float32
        place = int(np.searchsorted(-self._scores, -least, side="right")) - 1
        hits, found = (int(self._hits[place]), int(self._found[place])) if place >= 0 else (0, 0)
        return ratio(hits, found), ratio(hits, self._wanted)

    def best(self) -> Figures:
        """Where F1 = 2 TP / (found + wanted) is largest."""
        names = ("best_f1", "best_f1_precision", "best_f1_recall", "best_f1_score")
        if not self._wanted or not len(self._scores):
            return dict.fromkeys(names, 0.0 if self._wanted else float("nan"))
        values = 2 * self._hits / (self._found + self._wanted)
        place = int(values.argmax())
        score = float(self._scores[place])
        return dict(zip(names, (float(values[place]), *self.at(score), score), strict=True))

    def points(self) -> Curve:
        """At most some hundred points of it, evenly spread."""
        chosen = np.unique(np.linspace(0, max(len(self._scores) - 1, 0), _CURVE_POINTS).astype(int))
        chosen = chosen[: len(self._scores)]
        recall = [ratio(float(hits), self._wanted) for hits in self._hits[chosen]]
        precision = self._hits[chosen] / self._found[chosen]
        return Curve(tuple(recall), tuple(precision.tolist()), tuple(self._scores[chosen].tolist()))


def above(record: BoxRecord, score: float) -> BoxRecord:
    """The record with predicted boxes from this score on only."""
    kept = record.scores >= score
    return BoxRecord(
        record.boxes, record.class_ids, record.regions, record.found[kept], record.found_ids[kept], record.scores[kept]
    )
