"""Measure: what one head is judged by. One record per picture, figures of any selection of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import EngineError
from contracts.prediction import Part
from sources.datasets.sample import Sample

Figures = dict[str, float]
"""Figure → value; NaN where nothing could be judged."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision over recall, and the score at each point; recall rises."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    score: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """What figures leave out. rows: class → figures. confusion: (truth, predicted) counts, with their names."""

    rows: dict[str, Figures] = field(default_factory=dict)
    truth_names: tuple[str, ...] = ()
    predicted_names: tuple[str, ...] = ()
    confusion: NDArray[np.int64] | None = None
    curve: Curve | None = None


class Measure(Protocol):
    """Records are of the measure's own type, small, and belong to one picture each."""

    def record(self, truth: Sample, part: Part) -> Any | None:
        """What one picture says; None where its labels say nothing. Raises EngineError for a part of another kind."""

    def figures(self, records: Sequence[Any]) -> Figures:
        """Over these pictures together; the names are the same whatever the records are."""

    def details(self, records: Sequence[Any]) -> Details:
        """Tables and curves over these pictures together."""

    def goodness(self, record: Any) -> float:
        """How well one picture was seen, 0 … 1; NaN where there was nothing to see."""


def misfit(head: str, part: Part, wanted: str) -> EngineError:
    """The head decodes to something that its labels cannot be compared with."""
    return EngineError(
        f"head {head!r} gives {type(part).__name__}, its labels are {wanted}", "check kind and classes in the card"
    )
