"""The most eventful frames of a run: chosen while it lasts, spread over it, a bounded number of small pictures.

Stream time is divided into a few slots that merge in pairs as the run grows; each keeps its most eventful frame. At
the end the best of these are taken, none too close to another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.picture import Picture
from contracts.text import counted
from outputs.report.sight import Named, Sight
from outputs.report.thumbnails import Thumbnail, thumbnail
from outputs.report.words import percent

SHOWN = 12
_SLOTS, _FIRST_WIDTH_S = 24, 0.25
_SETTLED = 5  # frames until it is known what is usual
_REMEMBERED = 100.0  # frames that "usual" looks back, about
_BETTER = 0.25  # by so much a frame must beat its slot's, so that a slow rise does not make a picture per frame


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame worth looking at. seen: what was in it; why: what made it eventful, the weightiest first."""

    index: int
    seconds: float
    score: float
    seen: str
    why: tuple[str, ...]
    picture: Thumbnail


class Eventfulness:
    """Tells how eventful a frame is, against those before it. Memory is a few numbers per class."""

    def __init__(self) -> None:
        self._frames = 0
        self._with: dict[Named, int] = {}
        self._usual_boxes = 0.0
        self._usual_shares: dict[str | Named, float] = {}
        self._best: Mapping[str, str] = {}
        self._inside: Mapping[Named, int] = {}

    def of(self, sight: Sight) -> tuple[float, tuple[str, ...]]:
        """Score, 0 and more, and reasons; then the frame is among those before."""
        reasons = [*self._crowd(sight), *self._classes(sight), *self._tracks(sight), *self._regions(sight)]
        reasons += [*self._masks(sight), *self._scene(sight), *self._kinds(sight)]
        self._remember(sight)
        reasons.sort(key=lambda reason: -reason[0])
        base = sight.total / (sight.total + 4)  # of two frames without events, the fuller one
        return base + sum(weight for weight, _ in reasons), tuple(text for _, text in reasons)

    def _crowd(self, sight: Sight) -> list[tuple[float, str]]:
        excess = (sight.total - self._usual_boxes) / math.sqrt(self._usual_boxes + 1)
        if self._frames < _SETTLED or excess < 1.5:
            return []
        return [(min(excess, 6), f"{counted(sight.total, 'detection')}, {self._usual_boxes:.0f} just before")]

    def _classes(self, sight: Sight) -> list[tuple[float, str]]:
        reasons = []
        for name in sight.boxes:
            frames = self._with.get(name, 0)
            if frames == 0:
                reasons.append((3.0, f"first {name[1]}"))
            elif frames < 0.05 * self._frames:
                reasons.append((min(math.log2(self._frames / frames) / 3, 3), f"rare: {name[1]}"))
        return reasons

    def _tracks(self, sight: Sight) -> list[tuple[float, str]]:
        started = sum(sight.started.values())
        if not started:
            return []
        names = ", ".join(dict.fromkeys(name for _, name in sight.started))
        return [(min(started, 4) * 0.8, f"{counted(started, 'new track')}: {names}")]

    def _regions(self, sight: Sight) -> list[tuple[float, str]]:
        entered = [name for name, count in sight.regions.items() if count > self._inside.get(name, 0)]
        return [(2.0, f"{name} enters {region}") for region, name in entered]

    def _masks(self, sight: Sight) -> list[tuple[float, str]]:
        reasons = []
        for head, share in sight.shares.items():
            usual = self._usual_shares.get(head)
            if usual is not None and self._frames >= _SETTLED and abs(share - usual) > max(0.06, 0.3 * usual):
                text = f"{head} {percent(share)} of the picture, {percent(usual)} just before"
                reasons.append((min(10 * abs(share - usual), 4), text))
        return reasons

    def _scene(self, sight: Sight) -> list[tuple[float, str]]:
        changes = {name: sight.areas.get(name, 0.0) - usual for name, usual in self._usual_areas(sight).items()}
        moved = sum(map(abs, changes.values())) / 2  # the share of the picture that is another class than usual
        if self._frames < _SETTLED or moved < 0.15:
            return []
        most = max(changes, key=lambda name: abs(changes[name]))
        return [(min(8 * moved, 4), f"{'more' if changes[most] > 0 else 'less'} {most[1]} than just before")]

    def _usual_areas(self, sight: Sight) -> dict[Named, float]:
        usual = {name: share for name, share in self._usual_shares.items() if isinstance(name, tuple)}
        return {name: usual.get(name, 0.0) for name in {*usual, *sight.areas}} if usual else {}

    def _kinds(self, sight: Sight) -> list[tuple[float, str]]:
        return [(2.0, f"now {name}") for head, name in sight.best.items() if self._best.get(head, "") != name]

    def _remember(self, sight: Sight) -> None:
        self._frames += 1
        for name in sight.boxes:
            self._with[name] = self._with.get(name, 0) + 1
        pace = 1 / min(self._frames, _REMEMBERED)
        self._usual_boxes += (sight.total - self._usual_boxes) * pace
        now: dict[str | Named, float] = dict(sight.shares) | dict(sight.areas)
        for key in {*now, *self._usual_shares}:
            before = self._usual_shares.get(key, now.get(key, 0.0) if self._frames == 1 else 0.0)
            self._usual_shares[key] = before + (now.get(key, 0.0) - before) * pace
        self._best, self._inside = sight.best, sight.regions


class Moments:
    """Keeps the most eventful frame of every slot."""

    def __init__(self) -> None:
        self._eventfulness = Eventfulness()
        self._width_s = _FIRST_WIDTH_S
        self._slots: dict[int, Moment] = {}

    def consider(self, index: int, seconds: float, sight: Sight, drawn: Callable[[], Picture]) -> None:
        """Look at one frame; its annotated picture is asked for only where the frame is kept."""
        score, why = self._eventfulness.of(sight)
        seconds = max(seconds, 0.0)
        while seconds >= self._width_s * _SLOTS:
            self._merge()
        slot = int(seconds / self._width_s)
        best = self._slots.get(slot)
        if best is None or score > best.score + _BETTER:
            self._slots[slot] = Moment(index, seconds, score, sight.words(), why, thumbnail(drawn()))

    def _merge(self) -> None:
        self._width_s *= 2
        merged: dict[int, Moment] = {}
        for slot, moment in self._slots.items():
            other = merged.get(slot // 2)
            if other is None or moment.score > other.score:
                merged[slot // 2] = moment
        self._slots = merged

    def chosen(self) -> list[Moment]:
        """The best ones of the run so far, ``SHOWN`` at most, in the order of time.

        None is very near another, and what counts the same is worth less each time.
        """
        left = list(self._slots.values())
        apart = max((moment.seconds for moment in left), default=0.0) / (3 * SHOWN)
        chosen: list[Moment] = []
        while left and len(chosen) < SHOWN:
            told = Counter(moment.why[:1] for moment in chosen)
            best = max(left, key=lambda moment: (moment.score / (1 + told[moment.why[:1]]), -moment.seconds))
            chosen.append(best)
            left = [moment for moment in left if moment is not best and abs(moment.seconds - best.seconds) >= apart]
        return sorted(chosen, key=lambda moment: moment.seconds)
