"""What was seen over the whole run: sums per class and bucket of stream time. Memory does not grow with the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from outputs.report.sight import Named, Sight
from outputs.report.timeline import Numbers, Timeline, View

_CLASSES_KEPT = 100  # of one kind of thing; those that come later are counted together
OTHERS: Named = ("", "others")


@dataclass(slots=True)
class Tally:
    """One thing's sums. total: the sum over all frames; frames: in how many it was; most: in one frame.

    started: tracks that began. last: the latest frame it was in.
    """

    sums: Numbers
    total: float = 0
    frames: int = 0
    most: float = 0
    started: int = 0
    last: int = -1


class Tallies:
    """Things of one kind by name."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._found: dict[Named, Tally] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, name: Named) -> Tally:
        """The tally of a thing; the common one of all others where there are too many."""
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= _CLASSES_KEPT and name != OTHERS:
                return self.get(OTHERS)
            found = self._found[name] = Tally(self._timeline.series())
        return found

    def add(self, name: Named, amount: float, bucket: int, frame: int, *, counts: bool = True) -> None:
        """Count it in one frame, ``frame`` being the frame's number in the run.

        counts: False where it was not seen in this frame but carried on; then it is drawn and not counted.
        """
        tally = self.get(name)
        tally.sums[bucket] += amount
        if not counts:
            return
        tally.total += amount
        tally.most = max(tally.most, amount)
        if amount > 0 and tally.last != frame:
            tally.frames += 1
            tally.last = frame

    def ranked(self) -> list[tuple[Named, Tally]]:
        """The greatest total first; what is counted together last."""
        return sorted(self._found.items(), key=lambda item: (item[0] == OTHERS, -item[1].total, item[0]))

    def shown(self, most: int) -> Iterator[tuple[Named, Tally]]:
        """The ``most`` greatest, and all others as one."""
        ranked = self.ranked()
        if len(ranked) > most:
            rest = [tally for _, tally in ranked[most:]]
            together = Tally(np.sum([tally.sums for tally in rest], axis=0), sum(tally.total for tally in rest))
            ranked = [*ranked[:most], (OTHERS, together)]
        yield from ranked


class Seen:
    """Everything seen. ``add`` frames in their order; read when the run is over."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.frames = 0
        self.with_boxes = 0
        self.boxed: frozenset[str] = frozenset()
        self.looked: Counter[str] = Counter()
        self.frame_counts = self.timeline.series()
        self.boxes = Tallies(self.timeline)
        self.shares = Tallies(self.timeline)
        self.areas = Tallies(self.timeline)
        self.best = Tallies(self.timeline)
        self.regions = Tallies(self.timeline)
        self.last_s = 0.0

    def add(self, sight: Sight, seconds: float) -> None:
        """Count one frame's sight."""
        bucket, frame = self.timeline.bucket(seconds), self.frames
        self.frames += 1
        self.last_s = max(self.last_s, seconds)
        self.frame_counts[bucket] += 1
        self.boxed |= sight.boxed
        self.looked.update(sight.heads - sight.carried)
        self.with_boxes += sight.total > 0
        for tallies, amounts in ((self.boxes, sight.boxes), (self.areas, sight.areas)):
            for name, amount in amounts.items():
                tallies.add(name, amount, bucket, frame, counts=name[0] not in sight.carried)
        for head, share in sight.shares.items():
            self.shares.add((head, head), share, bucket, frame, counts=head not in sight.carried)
        for head, best in sight.best.items():
            self.best.add((head, best), 1, bucket, frame, counts=head not in sight.carried)
        for inside, count in sight.regions.items():
            self.regions.add(inside, count, bucket, frame)
        for name, count in sight.started.items():
            self.boxes.get(name).started += count

    def view(self) -> View:
        """The points that charts show."""
        return View(self.timeline, self.frames)

    def means(self, tally: Tally, view: View) -> Numbers:
        """Per point: the mean over its frames; NaN where it has none."""
        sums, frames = view.summed(tally.sums), view.summed(self.frame_counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(frames > 0, sums / frames, np.nan)
