"""What an evaluation found, and its form as one JSON object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.metrics.meanings import MEANINGS
from training.metrics.measure import Details, Figures

VERSION = 1
"""Of the JSON object; fields are only ever added."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture that a head saw badly. jpeg: truth and prediction side by side; empty where nobody asked for it."""

    name: str
    goodness: float
    jpeg: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class HeadResult:
    """One head of one engine. classes: those judged. groups: group → figures. blank: pictures no box was found in.

    score: least score of a box at which precision, recall and success are meant.
    """

    kind: str
    classes: tuple[str, ...]
    score: float
    figures: Figures
    groups: Mapping[str, Figures]
    details: Details
    blank: tuple[str, ...] = ()
    worst: tuple[Scene, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EngineResult:
    """One engine. facts: file, backend, device, precision, sha256. notes: what was not judged, for people."""

    name: str
    facts: Mapping[str, str]
    heads: Mapping[str, HeadResult]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Several engines on the same pictures. data: what they were, for people. terms: what was asked for."""

    data: Mapping[str, Any]
    terms: Mapping[str, Any]
    engines: Sequence[EngineResult] = field(default_factory=tuple)

    def heads(self) -> tuple[str, ...]:
        """Of any engine, in order."""
        return tuple(dict.fromkeys(head for engine in self.engines for head in engine.heads))

    def as_json(self) -> dict[str, Any]:
        """One object of plain values; what could not be judged is null."""
        return {
            "version": VERSION,
            "data": dict(self.data),
            "terms": dict(self.terms),
            "engines": [_engine(engine) for engine in self.engines],
            "meanings": MEANINGS,
        }


def _engine(engine: EngineResult) -> dict[str, Any]:
    heads = {name: _head(head) for name, head in engine.heads.items()}
    return {"name": engine.name, **engine.facts, "heads": heads, "notes": list(engine.notes)}


def _head(head: HeadResult) -> dict[str, Any]:
    details = head.details
    found: dict[str, Any] = {
        "kind": head.kind,
        "classes": list(head.classes),
        "figures": _plain(head.figures),
        "groups": {group: _plain(figures) for group, figures in head.groups.items()},
        "per_class": {name: _plain(row) for name, row in details.rows.items()},
        "worst": [{"name": scene.name, "goodness": _number(scene.goodness)} for scene in head.worst],
    }
    if details.confusion is not None:
        found["confusion"] = {
            "truth": list(details.truth_names),
            "predicted": list(details.predicted_names),
            "counts": details.confusion.tolist(),
        }
    if details.curve is not None:
        curve = {"recall": details.curve.recall, "precision": details.curve.precision, "score": details.curve.score}
        found |= {"score": head.score, "blank": list(head.blank)}
        found["curve"] = {axis: [_number(value) for value in values] for axis, values in curve.items()}
    return found


def _plain(figures: Figures) -> dict[str, float | None]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: float) -> float | None:
    """Six digits are more than any of these figures means; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value if isinstance(value, int) else round(value, 6)
