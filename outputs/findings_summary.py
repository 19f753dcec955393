"""Statistics of an inspection, made of its two tables and of nothing else."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERSION = 1
"""Version of ``summary.json``; keys are only ever added."""
_MEASURES = ("area_px", "length_px", "width_px")
_IN_MM = ("length_mm", "width_mm", "max_width_mm")
_Row = Mapping[str, str]


@dataclass(slots=True, eq=False)
class _Class:
    """What was found of one class of one head; rows of a frame come one behind the other."""

    findings: int = 0
    frames: int = 0
    measured: dict[str, array[float]] = field(
        default_factory=lambda: {name: array("d") for name in (*_MEASURES, *_IN_MM)}
    )
    tracks: dict[tuple[str, str], tuple[float, dict[str, float]]] = field(default_factory=dict)
    best: tuple[float, str] = (-1.0, "")
    _last: tuple[str, str] | None = None

    def add(self, row: _Row) -> None:
        frame = (row["source"], row["index"])
        self.findings += 1
        self.frames += frame != self._last
        self._last = frame
        measures = {name: float(row[name]) for name in (*_MEASURES, *_IN_MM) if row.get(name)}
        for name, value in measures.items():
            self.measured[name].append(value)
        score = float(row["score"])
        if score > self.best[0]:
            self.best = (score, row["crop"])
        track = (row["source"], row["track"])
        if row["track"] and (track not in self.tracks or score > self.tracks[track][0]):
            self.tracks[track] = (score, measures)


def summary_of(frames: Iterable[_Row], findings: Iterable[_Row]) -> dict[str, Any]:
    """The summary of rows of ``frames.csv`` and ``findings.csv``, as JSON has it.

    frames, frames_with_findings, share_of_frames: of all and of each of ``sources``. classes: a list, per head and
    class: findings, frames, share_of_frames (of those its head looked at), tracks (different track numbers; null
    without any), best_score with its best_crop, and sum, mean, p95 and max of area_px, length_px and width_px (null
    where nothing has one; no sum of widths). of_tracks: area_px and length_px again with every track counted once, as
    it was at its best score: what sums over frames count again and again, these count once. Where sizes are known,
    length_mm, width_mm and max_width_mm are there, too, and length_mm in of_tracks.
    """
    seen, with_findings, looked = Counter[str](), Counter[str](), Counter[str]()
    for row in frames:
        seen[row["source"]] += 1
        with_findings[row["source"]] += row["findings"] != "0"
        looked.update(row["heads"].split("|"))
    classes: dict[tuple[str, str], _Class] = defaultdict(_Class)
    for row in findings:
        classes[row["head"], row["class"]].add(row)
    return {
        "version": VERSION,
        "unit": "px",
        **_shares(seen.total(), with_findings.total()),
        "sources": {source: _shares(count, with_findings[source]) for source, count in seen.items()},
        "classes": [
            {"head": head, "class": name, **_told(found, looked[head])}
            for (head, name), found in sorted(classes.items())
        ],
    }


def _shares(frames: int, with_findings: int) -> dict[str, float]:
    share = round(with_findings / frames, 6) if frames else 0.0
    return {"frames": frames, "frames_with_findings": with_findings, "share_of_frames": share}


def _told(found: _Class, looked: int) -> dict[str, Any]:
    measures = {name: _spread(values) for name, values in found.measured.items() if name in _MEASURES or values}
    for name, spread in measures.items():
        if "width" in name and spread is not None:
            del spread["sum"]
    return {
        "findings": found.findings,
        "frames": found.frames,
        "share_of_frames": round(found.frames / max(looked, found.frames), 6),
        "tracks": len(found.tracks) or None,
        "best_score": found.best[0],
        "best_crop": found.best[1],
        **measures,
        "of_tracks": _of_tracks(found) if found.tracks else None,
    }


def _of_tracks(found: _Class) -> dict[str, dict[str, float] | None]:
    lengths = ("length_mm",) if found.measured["length_mm"] else ()
    return {name: _spread(_once(found, name)) for name in ("area_px", "length_px", *lengths)}


def _once(found: _Class, name: str) -> list[float]:
    """A measure of each track, at its best score."""
    return [measures[name] for _, measures in found.tracks.values() if name in measures]


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    given = np.array(values)
    spread = {"sum": given.sum(), "mean": given.mean(), "p95": np.percentile(given, 95), "max": given.max()}
    return {name: round(float(value), 1) for name, value in spread.items()}
