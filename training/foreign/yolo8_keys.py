"""Foreign keys of the YOLOv8 forks: which of their keys each of ours is, and the strict exchange of a whole state."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from contracts.errors import EngineError
from training.blueprint import Blueprint
from training.foreign import exchange
from training.foreign.content import Content
from training.foreign.exchange import CURE, shapes_of
from training.networks.yolo8_blocks import BINS

PLACES = {
    "backbone.stem": "0",
    "backbone.stage2.down": "1",
    "backbone.stage2.mix": "2",
    "backbone.stage3.down": "3",
    "backbone.stage3.mix": "4",
    "backbone.stage4.down": "5",
    "backbone.stage4.mix": "6",
    "backbone.stage5.down": "7",
    "backbone.stage5.mix": "8",
    "backbone.pool": "9",
    "neck.up4.mix": "12",
    "neck.up3.mix": "15",
    "neck.down4": "16",
    "neck.out4.mix": "18",
    "neck.down5": "19",
    "neck.out5.mix": "21",
}
"""Our modules → numbers of the forks' layers, for what all networks on this backbone share."""
_WORDS = {
    "enter": "cv1",
    "leave": "cv2",
    "bottlenecks": "m",
    "first": "cv1",
    "second": "cv2",
    "refine": "cv2",
    "scores": "cv3",
    "convolution": "conv",
    "norm": "bn",
}
"""Our words inside a module → theirs."""


def foreign_key(key: str, places: Mapping[str, str]) -> str:
    """Their key of one of ours: the longest place in front of it, then word by word."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        place = places.get(".".join(parts[:length]))
        if place is not None:
            return ".".join(["model", place, *(_WORDS.get(word, word) for word in parts[length:])])
    raise KeyError(key)


def bottlenecks(content: Content, stage: int) -> int:
    """How many bottlenecks a numbered layer has."""
    prefix = f"model.{stage}.m."
    return len({key.removeprefix(prefix).split(".")[0] for key in content.state if key.startswith(prefix)})


def exchanged(
    content: Content, blueprint: Blueprint, places: Mapping[str, str], dropped: Collection[str], title: str
) -> dict[str, Tensor]:
    """The state under our keys, complete and of the right shapes, in the network's order.

    dropped: their keys of DFL layers, which hold 0 … 15 (a constant here), or nothing that is used.
    title: "A-YOLOM n". Raises EngineError naming the first tensors that are missing, too many, or of other shapes.
    """
    shapes = shapes_of(blueprint)
    theirs = {key: foreign_key(key, places) for key in shapes}
    state = exchange.exchanged(content.state, theirs, shapes, title, dropped)
    for key in dropped:
        _require_bins(content, key, title)
    return state


def _require_bins(content: Content, key: str, title: str) -> None:
    """A DFL layer that is there must hold what is a constant of our networks."""
    bins = content.state.get(key)
    if bins is not None and (bins.numel() != BINS or bins.flatten().tolist() != list(range(BINS))):
        raise EngineError(f"of {title}, but {key} is not 0 … {BINS - 1}", CURE)
