"""Sight: what one frame's prediction says, in the few numbers that the report keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.prediction import Detections, Prediction
from outputs.report.words import percent

Named = tuple[str, str]
"""(head, class), or (region, class)."""
_IDS_KEPT = 4096  # per head; a tracker forgets a thing long before so many others have come


@dataclass(frozen=True, slots=True)
class Sight:
    """One frame in numbers.

    boxes, regions: how many. started: boxes whose track is new. shares: masks by head; areas: class maps, both as
    shares of the frame. best: the best class per head that classifies. carried: heads that did not look at this frame.
    heads: all of them; boxed: those that give boxes, whether they found any or not.
    """

    boxes: Mapping[Named, int]
    started: Mapping[Named, int]
    shares: Mapping[str, float]
    areas: Mapping[Named, float]
    best: Mapping[str, str]
    regions: Mapping[Named, int]
    carried: frozenset[str]
    heads: frozenset[str]
    boxed: frozenset[str]

    def words(self) -> str:
        """``5 car, 3 person``; where no head gives boxes, what there is instead."""
        names: Counter[str] = Counter()
        for (_, name), count in self.boxes.items():
            names[name] += count
        if self.boxed:
            return ", ".join(f"{count} {name}" for name, count in names.most_common()) or "no box"
        widest = sorted(self.areas.items(), key=lambda item: -item[1])[:3]
        shares = [*self.shares.items(), *((name, share) for (_, name), share in widest)]
        return ", ".join([*self.best.values(), *(f"{name} {percent(share)}" for name, share in shares)])

    @property
    def total(self) -> int:
        """Boxes of all heads."""
        return sum(self.boxes.values())


class Looker:
    """Makes sights of predictions, in their order; remembers which tracks have been seen."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, None]] = {}
        self.tracked = False
        """Whether any box had a track."""
        self.colours: dict[Named, tuple[int, int, int]] = {}
        """RGB of class maps' classes, as they are drawn."""

    def look(self, prediction: Prediction) -> Sight:
        """One frame's sight."""
        found = prediction.detections()
        boxes: Counter[Named] = Counter()
        started: Counter[Named] = Counter()
        for head, part in found.items():
            boxes.update((head, part.name(index)) for index in range(len(part)))
            started.update((head, name) for name in self._started(head, part))
        areas: dict[Named, float] = {}
        for head, map_ in prediction.class_maps().items():
            for class_id, share in map_.shares().items():
                name = (head, map_.name(class_id))
                areas[name] = areas.get(name, 0.0) + share
                if name not in self.colours and class_id < len(map_.palette):
                    blue, green, red = map_.palette[class_id]
                    self.colours[name] = (red, green, blue)
        return Sight(
            boxes,
            started,
            {head: mask.share() for head, mask in prediction.masks().items()},
            areas,
            {head: part.name(0) for head, part in prediction.classifications().items() if len(part)},
            {(region, name): n for region, inside in prediction.regions.items() for name, n in inside.items()},
            frozenset(prediction.carried),
            frozenset(prediction),
            frozenset(found),
        )

    def _started(self, head: str, part: Detections) -> list[str]:
        """Class names of boxes whose track was not there before."""
        if part.track_ids is None:
            return []
        self.tracked = True
        known = self._known.setdefault(head, {})
        names = []
        for index, track in enumerate(part.track_ids.tolist()):
            if track < 0:
                continue
            if track not in known:
                names.append(part.name(index))
            known.pop(track, None)
            known[track] = None  # last seen last
        while len(known) > _IDS_KEPT:
            del known[next(iter(known))]
        return names
