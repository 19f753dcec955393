"""Content: what a checkpoint of unknown origin holds, read without running any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A file's tensors and plain facts.

    state: the network's tensors under the file's own keys, float32 (halves widened; integers stay integers), where a
    ``module.`` in front of all of them is already gone. model: attributes of the pickled model object (``names``,
    ``yaml``, ``stride`` …; plain values, tensors, and inert shells with ``attributes``), empty where the file holds
    only a state dict. facts: the rest of the file's top level that is plain (``epoch``, ``train_args`` …).
    modules: dotted path → class path ("models.common.C3") of every module of the pickled model. notes: one line each,
    what was chosen while reading ("the averaged weights (ema) were taken").
    """

    state: Mapping[str, Tensor]
    model: Mapping[str, Any]
    facts: Mapping[str, Any]
    modules: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of one tensor; () where there is none of this name."""
        return tuple(self.state[key].shape) if key in self.state else ()
