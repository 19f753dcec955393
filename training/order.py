"""Order: how a network is wanted, and what of it can be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.card import Card
from contracts.errors import UsageError
from contracts.text import did_you_mean

Batch = int | Literal["dynamic"]
Say = Callable[[str], None]
"""Takes a line for people."""
FRAMES = 8
"""Frames that parity is measured on, spread over the sources."""


def default_source(frames: int) -> str:
    """The synthetic drive, so many frames of it, a second apart."""
    return f"synthetic:?seconds={frames}&fps=1"


DEFAULT_SOURCE = default_source(FRAMES)
"""What is compared on where nobody says; a batch of more makes it longer."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a network is wanted.

    size: (width, height), None: as it is. batch: pictures at once, None: as it is (a checkpoint's: one). heads:
    names, None: all. sources: where the frames for parity come from. fast_classmap: choose classes before they are
    scaled up, which is faster and not exact.
    """

    size: tuple[int, int] | None = None
    batch: Batch | None = None
    heads: tuple[str, ...] | None = None
    precision: Literal["fp32", "fp16"] = "fp32"
    sources: tuple[str, ...] = (DEFAULT_SOURCE,)
    fast_classmap: bool = False
    overwrite: bool = False


def chosen_heads(card: Card, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the heads wanted, in the card's order (None: all); raises UsageError for one it has not."""
    known = [head.name for head in card.heads]
    for name in wanted or ():
        if name not in known:
            raise UsageError(f"the network has no head {name!r}", did_you_mean(name, known))
    return tuple(name for name in known if wanted is None or name in wanted)


def fitting_size(size: tuple[int, int] | None, stride: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) of the input; raises UsageError where the network's strides do not divide it."""
    if size is None:
        raise UsageError("the checkpoint does not say what input size its network is used with", "give --size WxH")
    if all(side % step == 0 for side, step in zip(size, stride, strict=True)):
        return size
    below = "x".join(str(max(side // step, 1) * step) for side, step in zip(size, stride, strict=True))
    above = "x".join(str(-(-side // step) * step) for side, step in zip(size, stride, strict=True))
    raise UsageError(
        f"the network works at multiples of {stride[0]}x{stride[1]} (width x height), not at {size[0]}x{size[1]}",
        f"the nearest: --size {' or '.join(dict.fromkeys((below, above)))}",
    )


def card_of_export(card: Card, heads: Sequence[str]) -> Card:
    """The card of a new file with these heads: its size is fixed in the file itself, its bytes are others."""
    kept = tuple(head for head in card.heads if head.name in heads)
    fed = card.input.model_copy(update={"size": None, "name": None})
    other = {"sha256": (), "reference": None, "url": None, "bytes": None}
    return card.model_copy(update={"heads": kept, "input": fed, **other})
