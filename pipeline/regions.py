"""Regions: how many boxes of each class stand in the named areas of a run, frame by frame and in all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contracts.areas import Area
from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.frame import Frame, SourceInfo
from contracts.polygon import Polygon
from contracts.prediction import Detections, Prediction

_Who = tuple[str, str, int]
"""A tracked thing: source, head, number."""


@dataclass(slots=True)
class _Total:
    """One class in one region over a run."""

    frames: int = 0
    most: int = 0
    entries: int = 0


@dataclass(slots=True)
class _Region:
    """One region over a run. here: the tracked things in it and the time (s) they were last seen in it."""

    totals: dict[str, _Total] = field(default_factory=dict)
    here: dict[_Who, float] = field(default_factory=dict)
    tracked: bool = False


class Regions:
    """Counts boxes by region and class; ``counted`` from one thread, ``summary`` from any.

    A box is in a region when its foot is: the middle of its lower edge, where a road user stands (see ``feet``).
    """

    def __init__(self, regions: Mapping[str, Sequence[Polygon]], away_s: float) -> None:
        """away_s: whoever was away from a region for longer than that, and for more than a frame, enters it anew."""
        self._polygons = dict(regions)
        self._away_s = away_s
        self._size = (0, 0)
        self._areas: dict[str, Area] = {}
        self._regions = {name: _Region() for name in regions}
        self._lock = threading.Lock()

    def counted(self, prediction: Prediction, frame: Frame) -> Prediction:
        """The prediction with ``regions`` filled in: every region of the run, in it the classes that are there.

        Boxes of all heads count, those carried on from an earlier frame too.
        """
        standing = _Standing.of(prediction, frame)
        self._fit(frame.picture.width, frame.picture.height)
        counts: dict[str, Mapping[str, int]] = {}
        with self._lock:
            for name, area in self._areas.items():
                inside = np.flatnonzero(area.contains(standing.feet)).tolist()
                counts[name] = dict(Counter(standing.names[index] for index in inside))
                self._leave(self._regions[name], frame)
                self._add(self._regions[name], counts[name], standing, inside, float(frame.pts))
        return replace(prediction, regions=counts)

    def _fit(self, width: int, height: int) -> None:
        if self._size != (width, height):
            self._areas = {name: Area.of(polygons, width, height) for name, polygons in self._polygons.items()}
            self._size = (width, height)

    def _leave(self, region: _Region, frame: Frame) -> None:
        """Forget those who were away for too long."""
        rate = frame.source.rate
        away_s = self._away_s if not rate else max(self._away_s, 1.5 / float(rate))
        since = float(frame.pts) - away_s
        region.here = {who: seen for who, seen in region.here.items() if seen >= since}

    @staticmethod
    def _add(region: _Region, counts: Mapping[str, int], standing: _Standing, inside: list[int], now: float) -> None:
        for name, count in counts.items():
            total = region.totals.setdefault(name, _Total())
            total.frames += 1
            total.most = max(total.most, count)
        region.tracked |= standing.tracked
        for index in inside:
            who = standing.who[index]
            if who is not None:
                region.totals[standing.names[index]].entries += who not in region.here
                region.here[who] = now

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """Region → class → frames it was there, most at once, and, where boxes were tracked, how often one entered."""
        with self._lock:
            return {name: _summary(region) for name, region in self._regions.items()}


def _summary(region: _Region) -> dict[str, dict[str, int]]:
    entries = {name: {"entries": total.entries} for name, total in region.totals.items() if region.tracked}
    return {
        name: {"frames": total.frames, "most": total.most, **entries.get(name, {})}
        for name, total in region.totals.items()
    }


@dataclass(frozen=True, slots=True)
class _Standing:
    """All boxes of a prediction: where they stand (N, 2), their classes, and who they are where a tracker is sure."""

    feet: NDArray[np.float32]
    names: list[str]
    who: list[_Who | None]
    tracked: bool

    @classmethod
    def of(cls, prediction: Prediction, frame: Frame) -> _Standing:
        parts = prediction.detections()
        boxes = [part.boxes for part in parts.values()]
        places = feet(np.concatenate(boxes), frame.picture.width, frame.picture.height) if boxes else _NOWHERE
        names = [part.name(index) for part in parts.values() for index in range(len(part))]
        who = [each for head, part in parts.items() for each in _who(frame.source.id, head, part)]
        return cls(places, names, who, any(part.track_ids is not None for part in parts.values()))


_NOWHERE = np.zeros((0, 2), np.float32)


def feet(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Where boxes (N, 4) stand in a picture of that size: the middle of the lower edge, float32 (N, 2).

    Half a pixel inside the picture where they touch its edges, so that a box cut off below stands in a region that
    reaches down to the edge.
    """
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    return np.asarray(np.clip(middle, 0.5, np.array([width, height]) - 0.5), np.float32)


def _who(source: str, head: str, part: Detections) -> list[_Who | None]:
    if part.track_ids is None:
        return [None] * len(part)
    return [(source, head, track) if track >= 0 else None for track in part.track_ids.tolist()]


def open_regions(config: RunConfig) -> Regions | None:
    """The regions of a run; None: it has none."""
    return Regions(config.regions, config.track_buffer) if config.regions else None


def check_areas(config: RunConfig, info: SourceInfo) -> None:
    """Refuse areas that can hold nothing of the source's pictures; raises UsageError."""
    asked: list[tuple[str, Polygon]] = [("ignore", polygon) for polygon in config.ignore]
    asked += [(f"region {name}", polygon) for name, polygons in config.regions.items() for polygon in polygons]
    for what, polygon in asked:
        points = polygon.on(info.width, info.height)
        where = f"{what}: {str(polygon)!r}"
        if (points.max(axis=0) <= 0).any() or (points.min(axis=0) >= (info.width, info.height)).any():
            raise UsageError(
                f"{where} is not in the picture, which has {info.width}×{info.height} pixels",
                "points are x,y in pixels of the upright frame, or per cent of its sides",
            )
        if np.linalg.matrix_rank(points - points[0]) < 2:
            raise UsageError(f"{where} is a line and encloses nothing", "move one of its points")
