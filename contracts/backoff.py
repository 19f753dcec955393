"""Backoff: how long to wait before the next try."""

from __future__ import annotations

import random

_FIRST_S, _MOST_S = 0.5, 30.0
_JITTER = 0.25
"""Share by which a wait is longer or shorter, so that many lost together do not come back in one moment."""


class Backoff:
    """Waits that double from half a second up to half a minute, each a quarter longer or shorter."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311  # spreads load, guards nothing
        self.failures = 0
        """Tries in a row that failed."""

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        self.failures += 1
        wait: float = min(_FIRST_S * 2.0 ** min(self.failures - 1, 16), _MOST_S)
        return wait * self._chance.uniform(1 - _JITTER, 1 + _JITTER)

    def reset(self) -> None:
        """It works again."""
        self.failures = 0
