"""Axes: round numbers where people expect them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from outputs.report.words import short

_TIME_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_TIME_TICKS, _VALUE_TICKS = 6, 4


@dataclass(frozen=True, slots=True)
class Axis:
    """From 0 to ``high``. ticks: (place from 0 to 1, label)."""

    high: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """0 … 1."""
        return min(max(value / self.high, 0.0), 1.0)


def time_axis(seconds: float) -> Axis:
    """Stream time up to ``seconds``."""
    high = max(seconds, 1e-3)
    step = next((step for step in _TIME_STEPS if high / step <= _TIME_TICKS), 0.0)
    if not step:
        step = _TIME_STEPS[-1] * math.ceil(high / _TIME_STEPS[-1] / _TIME_TICKS)
    return Axis(high, tuple((tick * step / high, _time(tick * step, high)) for tick in range(int(high / step) + 1)))


def value_axis(most: float, unit: str = "") -> Axis:
    """Values up to ``most``; ends at a round number. unit: "%" takes shares, 1 being 100 %."""
    scale = 100 if unit == "%" else 1
    wanted = max(most, 1e-9) * scale
    size = 10.0 ** math.floor(math.log10(wanted / _VALUE_TICKS))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if wanted / (size * factor) <= _VALUE_TICKS + 1e-9)
    count = math.ceil(wanted / step - 1e-9)
    space = f" {unit}" if unit else ""
    ticks = tuple((tick / count, f"{short(round(tick * step, 9))}{space}") for tick in range(count + 1))
    return Axis(count * step / scale, ticks)


def _time(seconds: float, high: float) -> str:
    if high < 60:
        return f"{round(seconds, 3):g} s"
    whole = round(seconds)
    if high < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole // 60 % 60:02} h"
