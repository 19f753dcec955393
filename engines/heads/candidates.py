"""From a network's raw boxes to Detections: filter, suppress, map to the frame. Shared by the box heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.fit import Fit
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.heads.nms import best_first, suppress

MAX_CANDIDATES = 4096
"""Boxes above the score that are looked at, best first. A street has hundreds; noise (a broken file, a score of 0)
has every anchor, and suppression takes the square of their number: 4096 are 0.2 s at worst, 33 600 would be a hang."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes above the score: float64 (n, 4) x1 y1 x2 y2 in network pixels, scores (n,), class ids (n,).

    columns: (n,), where each lies in the network's output, for heads that read more of it.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.intp]
    columns: NDArray[np.intp]

    def __getitem__(self, chosen: NDArray[Any]) -> Candidates:
        return Candidates(self.boxes[chosen], self.scores[chosen], self.class_ids[chosen], self.columns[chosen])

    def best(self, names: tuple[str, ...], wanted: frozenset[str] | None) -> Candidates:
        """Those of the wanted classes, best score first (ties in the network's order), MAX_CANDIDATES at most."""
        found = self if wanted is None else self[np.isin(self.class_ids, _ids_of(names, wanted, self.class_ids))]
        return found[best_first(found.scores)[:MAX_CANDIDATES]]


def detections(
    found: Candidates, names: tuple[str, ...], fit: Fit, thresholds: Thresholds, *, suppressing: bool
) -> Detections:
    """Detections of one frame, best score first; see ``choose``."""
    return choose(found, names, fit, thresholds, suppressing=suppressing)[1]


def choose(
    found: Candidates, names: tuple[str, ...], fit: Fit, thresholds: Thresholds, *, suppressing: bool
) -> tuple[Candidates, Detections]:
    """Wanted classes, then suppression, then ``max_detections``: those left, and the same as Detections.

    Boxes that show nothing of the frame (no area, or only padding) are gone before they could suppress another.
    Overlap is measured in network pixels, before clipping.
    """
    found = found.best(names, thresholds.classes)
    on_frame = fit.boxes_to_frame(found.boxes).astype(np.float32)
    seen = np.flatnonzero((on_frame[:, 2:] > on_frame[:, :2]).all(axis=1))
    if suppressing:
        groups = None if thresholds.class_agnostic else found.class_ids[seen]
        seen = seen[suppress(found.boxes[seen], groups, thresholds.iou, thresholds.max_detections)]
    seen = seen[: thresholds.max_detections]
    kept = found[seen]
    return kept, Detections(
        boxes=on_frame[seen], scores=kept.scores, class_ids=kept.class_ids.astype(np.int32), names=names
    )


def _ids_of(names: tuple[str, ...], wanted: frozenset[str], present: NDArray[np.intp]) -> list[int]:
    """Those of the class ids present whose name is wanted; a class the card does not name is called by its number."""
    ids = np.unique(present).tolist()
    return [class_id for class_id in ids if (names[class_id] if class_id < len(names) else str(class_id)) in wanted]
