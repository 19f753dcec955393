"""Subject: a network ready for export, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.card import Card
from training.blueprint import Checkpoint
from training.networks.network import Deployed


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What the exporter needs to know of a network.

    card: of all heads, as they are deployed; ``card.input.size`` is the (width, height) its authors use. stride:
    (horizontal, vertical), what width and height must be multiples of. plain, deployed: as ``Network`` has them; both
    take head names. report: lines for people, what was found in the file. checkpoint: ours, to be kept as a .pt file;
    None where the network belongs to another library.
    """

    card: Card
    stride: tuple[int, int]
    plain: Callable[[Sequence[str]], Deployed]
    deployed: Callable[[Sequence[str]], Deployed]
    report: tuple[str, ...]
    checkpoint: Checkpoint | None = None
