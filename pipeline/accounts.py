"""What outputs count themselves, by the stages that the figures call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.protocols import Accountant, Output, Selective


class Accounts:
    """Asks outputs that leave results out (``Selective``) and those with figures of their own (``Accountant``)."""

    def __init__(self, outputs: Mapping[str, Output]) -> None:
        self._outputs = dict(outputs)

    def dropped(self, stage: str) -> int:
        """Results that the output left out itself; 0 where it leaves none out, or is not one of these."""
        output = self._outputs.get(stage)
        return output.dropped if isinstance(output, Selective) else 0

    def written(self, stage: str, taken: int) -> int:
        """Results that came through, of those taken without an error: one that failed it may count as left out."""
        return max(taken - self.dropped(stage), 0)

    def counts(self, stage: str) -> Mapping[str, Any]:
        """Figures of its own; empty where it has none, or is not one of these."""
        output = self._outputs.get(stage)
        return output.counts() if isinstance(output, Accountant) else {}
