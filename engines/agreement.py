"""Counts how far two predictions of the same frames agree, head by head. Pure; knows no engines."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from contracts.errors import EngineError
from contracts.overlap import overlaps
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Part
from engines.verdicts import HeadFigures

FOUND_IOU = 0.7
"""A box is found again where one of its class overlaps it at least this much."""

MASK_IOU = 0.7
"""An instance's mask is found again where it overlaps the reference's at least this much."""

SURE = 0.4
"""A frame counts where the reference gives its best class more than this; below, a breath decides between classes."""


class Tally(Protocol):
    """Grows by one frame at a time."""

    def add(self, candidate: Part, reference: Part) -> None:
        """Counts one frame. Raises EngineError where the parts cannot be compared."""

    def figures(self) -> HeadFigures:
        """What was counted so far."""


def tally_for(head: str, reference: Part) -> Tally:
    """An empty tally for the kind of part the reference gives."""
    if isinstance(reference, Detections | InstanceMasks):
        return _Boxes(head)
    if isinstance(reference, Mask):
        return _Pixels(head, lines=reference.role == "lane")
    if isinstance(reference, ClassMap):
        return _Classes(head)
    return _Frames(head)


class _Boxes:
    """The reference's boxes, and how many the candidate found again; one box answers for one only.

    An instance is found again where its mask is, too: ``MASK_IOU`` at least.
    """

    def __init__(self, head: str) -> None:
        self._head = head
        self._found = self._total = 0

    def add(self, candidate: Part, reference: Part) -> None:
        if isinstance(candidate, InstanceMasks) and isinstance(reference, InstanceMasks):
            pairs = pairs_of(candidate.detections, reference.detections)
            found = sum(_shared(candidate, one, reference, other) >= MASK_IOU for one, other in pairs)
            total = len(reference.detections)
        elif isinstance(candidate, Detections) and isinstance(reference, Detections):
            found, total = found_again(candidate, reference), len(reference)
        else:
            raise _different(self._head, candidate, reference)
        self._total += total
        self._found += found

    def figures(self) -> HeadFigures:
        return HeadFigures(self._head, "boxes", self._found, self._total)


def found_again(candidate: Detections, reference: Detections) -> int:
    """How many of the reference's boxes have a counterpart; see ``pairs_of``."""
    return len(pairs_of(candidate, reference))


def pairs_of(candidate: Detections, reference: Detections) -> list[tuple[int, int]]:
    """(candidate's, reference's) boxes that are the same: one class name, IoU ≥ 0.7, best score first, one each."""
    names = np.array([candidate.name(index) for index in range(len(candidate))], dtype=str)
    ious = overlaps(reference.boxes.astype(np.float64), candidate.boxes.astype(np.float64))
    found = []
    for index, row in enumerate(ious):
        row[names != reference.name(index)] = 0
        best = int(row.argmax()) if len(row) else -1
        if best >= 0 and row[best] >= FOUND_IOU:
            ious[:, best] = 0  # taken
            found.append((best, index))
    return found


def _shared(candidate: InstanceMasks, one: int, reference: InstanceMasks, other: int) -> float:
    """Intersection over union of two masks on the frame; 1 where both are empty."""
    first, second = candidate.window(one), reference.window(other)
    left, top = min(first.left, second.left), min(first.top, second.top)
    right = max(first.left + first.width, second.left + second.width)
    bottom = max(first.top + first.height, second.top + second.height)
    both = np.zeros((2, bottom - top, right - left), np.uint8)
    for layer, window, mask in zip(both, (first, second), (candidate.masks[one], reference.masks[other]), strict=True):
        layer[window.top - top :, window.left - left :][: window.height, : window.width] = mask
    union = np.count_nonzero(both[0] | both[1])
    return float(np.count_nonzero(both[0] & both[1]) / union) if union else 1.0


class _Pixels:
    """Pixels of one area set in both masks, and in either; padding is not counted."""

    def __init__(self, head: str, *, lines: bool) -> None:
        self._head = head
        self._lines = lines
        self._both = self._either = self._seen = 0

    def add(self, candidate: Part, reference: Part) -> None:
        if not isinstance(candidate, Mask) or not isinstance(reference, Mask):
            raise _different(self._head, candidate, reference)
        first, second = candidate.content(), reference.content()
        if first.shape != second.shape:  # another input size: compared where both are seen, on the frame
            first, second = candidate.on_frame(), reference.on_frame()
        self._both += int(np.count_nonzero(first & second))
        self._either += int(np.count_nonzero(first | second))
        self._seen += first.size

    def figures(self) -> HeadFigures:
        return HeadFigures(self._head, "lines" if self._lines else "areas", self._both, self._either, self._seen)


class _Classes:
    """Pixels of the same class in both maps; a pixel that differs is in the union of two classes."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._same = self._either = self._seen = 0

    def add(self, candidate: Part, reference: Part) -> None:
        if not isinstance(candidate, ClassMap) or not isinstance(reference, ClassMap):
            raise _different(self._head, candidate, reference)
        first, second = candidate.fit.content_of(candidate.ids), reference.fit.content_of(reference.ids)
        if candidate.names != reference.names or first.shape != second.shape:
            raise EngineError(
                f"head {self._head!r}: file and reference have class maps of other classes or sizes",
                "give a reference of the same network",
            )
        same = int(np.count_nonzero(first == second))
        self._same += same
        self._either += 2 * first.size - same
        self._seen += first.size

    def figures(self) -> HeadFigures:
        return HeadFigures(self._head, "classes", self._same, self._either, self._seen)


class _Frames:
    """Frames of which both say the same class, of those the reference is sure of."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._same = self._total = 0

    def add(self, candidate: Part, reference: Part) -> None:
        if not isinstance(candidate, Classification) or not isinstance(reference, Classification):
            raise _different(self._head, candidate, reference)
        if not len(reference.scores) or reference.scores[0] <= SURE:
            return
        self._total += 1
        self._same += _best(candidate) == _best(reference)

    def figures(self) -> HeadFigures:
        return HeadFigures(self._head, "frames", self._same, self._total)


def _best(part: Classification) -> str:
    """The name of the best class; "" where there is none."""
    if not len(part.class_ids):
        return ""
    class_id = int(part.class_ids[0])
    return part.names[class_id] if class_id < len(part.names) else str(class_id)


def _different(head: str, candidate: Part, reference: Part) -> EngineError:
    return EngineError(
        f"head {head!r}: the file gives {type(candidate).__name__}, the reference {type(reference).__name__}",
        "give a reference of the same network, or correct the card of one of them",
    )
