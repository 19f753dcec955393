"""How far one output of a network file is from what it should be, in the measure that its head is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard

_MATTERS = 0.05
"""Boxes are compared where the reference is at least this sure …"""
_AT_LEAST = 100
"""… and for its surest ones in any case, so that something is compared on an empty road too."""
_TIE = 1e-5
"""Share of a pixel's largest score below which two of its classes are equal: rounding alone decides between them."""
_MOST_TIES = 1e-3
"""Share of all pixels that may change where scores tie. More is no rounding: a dead head ties everywhere."""
_COEFFICIENTS = 32
"""Of each box's mask, where the card does not tell how many scores stand before them (Bolya et al., YOLACT)."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a precision may change.

    coordinates: of boxes, as a share of the input's longer side. scores: absolute. pixels: share whose class
    changes, ties apart. values: of everything else, relative to the largest value of that output.
    """

    coordinates: float
    scores: float
    pixels: float
    values: float


TOLERANCES: Mapping[str, Tolerance] = {
    # The same arithmetic in another order: rounding only. A wrong rewrite is off by far more.
    "fp32": Tolerance(coordinates=1e-3, scores=1e-3, pixels=1e-4, values=1e-3),
    # 11 bits of mantissa through some sixty layers leave two digits: measured 2 px of 640, scores 0.02 (YOLOv8n on
    # roads), 1e-4 of the pixels (TwinLiteNet). A weight or activation out of range is off by far more.
    "fp16": Tolerance(coordinates=1e-2, scores=5e-2, pixels=5e-3, values=2e-2),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one output. ``worst`` beyond ``limit`` (or NaN) fails."""

    what: str
    worst: float
    limit: float
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the output is what it should be."""
        return self.worst <= self.limit

    def __str__(self) -> str:
        text = f"{self.what} {self.worst:.1e} (limit {self.limit:.0e})"
        return f"{text}, {self.note}" if self.note else text


class Difference(Protocol):
    """Grows batch by batch. Arrays of a pair have the same number of pictures; the first one is the truth."""

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        """Compares one batch."""

    def figures(self) -> tuple[Figure, ...]:
        """The worst so far."""


def difference_of(head: HeadCard, output: int, tolerance: Tolerance, longer_side: int) -> Difference:
    """The measure for one output of a head: its position in the head's list, the input's longer side in pixels."""
    if head.kind in ("mask_ids", "two_class_mask", "class_map"):
        return _Pixels(tolerance)
    if output == 0 and head.kind in ("yolo_boxes", "yolo_instances", "road_agents", "anchor_boxes"):
        return _Candidates(tolerance, longer_side, head)
    if head.kind == "yolo_boxes_end2end":
        return _FinalBoxes(tolerance, longer_side)
    return _Values(tolerance)


class _Pixels:
    """Pixels of another class. Either side is scores (B, C, H, W), one score (B, 1, H, W), or ids (B[, 1], H, W)."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._limit = tolerance.pixels
        self._seen = self._other = self._ties = 0
        self._classes: set[int] = set()

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        ids, tied = _ids(truth), _tied(truth)
        other = _ids(found) != ids
        self._seen += ids.size
        self._classes.update(np.unique(ids).tolist())
        self._other += int(np.count_nonzero(other & ~tied))
        self._ties += int(np.count_nonzero(other & tied))

    def figures(self) -> tuple[Figure, ...]:
        seen = max(self._seen, 1)
        note = "but every pixel is of one class here" if len(self._classes) < 2 else ""
        differing = Figure("pixels differing", self._other / seen, self._limit, note)
        ties = Figure("more where scores tie", self._ties / seen, _MOST_TIES)
        return (differing, ties) if self._ties else (differing,)


def _ids(array: NDArray[Any]) -> NDArray[Any]:
    """Class ids (B, H, W); of equal scores the lower id."""
    if array.dtype.kind in "iub":
        return array.reshape(len(array), *array.shape[-2:])
    return (array[:, 0] > 0).astype(np.uint8) if array.shape[1] == 1 else array.argmax(axis=1)


def _tied(array: NDArray[Any]) -> NDArray[np.bool_]:
    """(B, H, W): where rounding alone decides between the two best classes, judged by this pixel's own scores."""
    if array.dtype.kind in "iub":
        return np.zeros((len(array), *array.shape[-2:]), bool)
    if array.shape[1] == 1:
        return np.asarray(array[:, 0] == 0)  # one score has no other to be compared with
    best = np.partition(array, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0] <= _TIE * np.abs(array).max(axis=1))


class _Candidates:
    """Boxes before suppression, row by row: centre and size, scores, and whatever follows the scores."""

    def __init__(self, tolerance: Tolerance, longer_side: int, head: HeadCard) -> None:
        self._tolerance, self._side, self._head = tolerance, longer_side, head
        self._coordinates = self._scores = self._rest = self._largest = 0.0

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        for rows, others in zip(self._rows(truth), self._rows(found), strict=True):
            scores = rows[:, 4 : self._end_of_scores(rows.shape[1])]
            chosen = _that_matter(self._confidence(scores))
            change = np.abs(others - rows)
            self._coordinates = _worst(self._coordinates, change[chosen, :4])
            self._scores = _worst(self._scores, change[:, 4 : 4 + scores.shape[1]])
            self._rest = _worst(self._rest, change[:, 4 + scores.shape[1] :])
            self._largest = _worst(self._largest, np.abs(rows[:, 4 + scores.shape[1] :]))

    def figures(self) -> tuple[Figure, ...]:
        share, limits = self._coordinates / self._side, self._tolerance
        note = f"{self._coordinates:.2g} px"
        figures = [
            Figure("coordinates", share, limits.coordinates, note),
            Figure("scores", self._scores, limits.scores),
        ]
        if self._largest or self._rest:
            figures.append(Figure("coefficients", self._rest / (self._largest or 1.0), limits.values))
        return tuple(figures)

    def _rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """(B, N, 4 + scores + rest), float64."""
        rows = array if self._head.kind == "anchor_boxes" else array.transpose(0, 2, 1)
        return rows.astype(np.float64)

    def _end_of_scores(self, columns: int) -> int:
        """Behind the scores of instances come the coefficients of their masks."""
        head = self._head
        if head.kind not in ("yolo_instances", "road_agents"):
            return columns
        named = len(head.classes) + len(head.locations) + len(head.actions)
        return 4 + named if named else columns - _COEFFICIENTS

    def _confidence(self, scores: NDArray[Any]) -> NDArray[Any]:
        if self._head.kind == "anchor_boxes":
            return np.asarray(scores[:, 0] * scores[:, 1:].max(axis=1))
        if self._head.kind == "road_agents":  # where something is, and what its lights say, is asked of every row
            return np.asarray(scores[:, : len(self._head.classes)].max(axis=1))
        return np.asarray(scores.max(axis=1))


class _FinalBoxes:
    """Boxes as the network chose them, (B, N, 6): each must be there again, in whatever place of the list.

    Not those at the end of the list: another one that was as unsure may stand in their place.
    """

    def __init__(self, tolerance: Tolerance, longer_side: int) -> None:
        self._tolerance, self._side = tolerance, longer_side
        self._coordinates = self._scores = 0.0
        self._compared = 0

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        for rows, others in zip(truth.astype(np.float64), found.astype(np.float64), strict=True):
            self._scores = _worst(self._scores, np.abs(np.sort(others[:, 4]) - np.sort(rows[:, 4])))
            for row in rows[rows[:, 4] > rows[:, 4].min() + self._tolerance.scores]:
                self._compare(row, others)

    def _compare(self, row: NDArray[Any], others: NDArray[Any]) -> None:
        same = others[np.rint(others[:, 5]) == np.rint(row[5])]
        distance = np.abs(same[:, :4] - row[:4]).max(axis=1) / self._side + np.abs(same[:, 4] - row[4])
        nearest = same[distance.argmin()] if len(same) else np.full(6, np.inf)
        self._coordinates = _worst(self._coordinates, np.abs(nearest[:4] - row[:4]))
        self._scores = _worst(self._scores, np.abs(nearest[4:5] - row[4]))
        self._compared += 1

    def figures(self) -> tuple[Figure, ...]:
        # Nothing compared is nothing proven: NaN fails.
        share = self._coordinates / self._side if self._compared else math.nan
        note = f"{self._coordinates:.2g} px" if self._compared else "no box stands out on these frames: none compared"
        return (
            Figure("coordinates", share, self._tolerance.coordinates, note),
            Figure("scores", self._scores, self._tolerance.scores),
        )


class _Values:
    """Any numbers, against the largest of them."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._limit = tolerance.values
        self._worst = self._largest = 0.0

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        self._worst = _worst(self._worst, np.abs(found.astype(np.float64) - truth))
        self._largest = _worst(self._largest, np.abs(truth))

    def figures(self) -> tuple[Figure, ...]:
        return (Figure("values", self._worst / (self._largest or 1.0), self._limit),)


def _that_matter(confidence: NDArray[Any]) -> NDArray[np.intp]:
    """Indices of the sure ones, or of the surest."""
    count = max(int(np.count_nonzero(confidence >= _MATTERS)), _AT_LEAST)
    return np.argsort(-confidence, kind="stable")[:count]


def _worst(before: float, values: NDArray[Any]) -> float:
    return float(np.maximum(before, values.max(initial=0)))  # NaN stays NaN
