"""Shares that may have nothing to be a share of: NaN then, said as null where JSON is written."""

from __future__ import annotations

import math
from collections.abc import Iterable


def ratio(part: float, whole: float) -> float:
    """The quotient; NaN where there is nothing."""
    return part / whole if whole else math.nan


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN where none is."""
    known = [float(value) for value in values if not math.isnan(value)]
    return ratio(sum(known), len(known))
