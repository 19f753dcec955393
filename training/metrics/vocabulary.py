"""Vocabulary: which class of a network is which class of the labels, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Merge = Mapping[str, Sequence[str]]
"""New name → the classes that are called so from now on, in labels and predictions alike."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The classes both sides know.

    names: in the order of the labels. truth, predicted: int64, id on that side → index in names, -1 where the class is
    not judged. labels_only, network_only: what the other side does not know, and is not judged.
    """

    names: tuple[str, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labels_only: tuple[str, ...] = ()
    network_only: tuple[str, ...] = ()

    def of_truth(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Ids of labels, any shape → indices in names, int64."""
        return _looked_up(self.truth, ids)

    def of_predicted(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Ids of predictions, any shape → indices in names, int64."""
        return _looked_up(self.predicted, ids)


def vocabulary(truth: Sequence[str], predicted: Sequence[str], merge: Merge | None = None) -> Vocabulary:
    """Matches class names; a merged class is known to a side that has any of its parts, or the new name already."""
    called = {old: new for new, parts in (merge or {}).items() for old in parts}
    ours = [called.get(name, name) for name in truth]
    theirs = [called.get(name, name) for name in predicted]
    names = tuple(dict.fromkeys(name for name in ours if name in theirs))
    return Vocabulary(
        names,
        _indices(ours, names),
        _indices(theirs, names),
        tuple(dict.fromkeys(name for name in ours if name not in names)),
        tuple(dict.fromkeys(name for name in theirs if name not in names)),
    )


def _indices(side: Sequence[str], names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([names.index(name) if name in names else -1 for name in side], np.int64)


def _looked_up(table: NDArray[np.int64], ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """-1 for an id that the table does not have."""
    inside = (ids >= 0) & (ids < len(table))
    padded = np.append(table, np.int64(-1))
    return np.asarray(padded[np.where(inside, ids, len(table))], np.int64)
