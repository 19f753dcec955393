"""Foreign keys of the YOLOv8 forks: which of their keys each of ours is, and the strict exchange of a whole state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from contracts.errors import EngineError
from training.blueprint import Blueprint
from training.foreign.content import Content
from training.networks.families import build
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
_REPAIR = "the file is damaged, or of a fork that changed the network; import what the training left"


def foreign_key(key: str, places: Mapping[str, str]) -> str:
    """Their key of one of ours: the longest place in front of it, then word by word."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        place = places.get(".".join(parts[:length]))
        if place is not None:
            return ".".join(["model", place, *(_WORDS.get(word, word) for word in parts[length:])])
    raise KeyError(key)


def exchanged(
    content: Content, blueprint: Blueprint, places: Mapping[str, str], dropped: Iterable[str], title: str
) -> dict[str, Tensor]:
    """The state under our keys, complete and of the right shapes, in the network's order.

    dropped: their keys of DFL layers, which hold 0 … 15 (a constant here), or nothing that is used.
    title: "A-YOLOM n". Raises EngineError naming the first tensors that are missing, too many, or of other shapes.
    """
    with torch.device("meta"):
        wanted = build(blueprint).state_dict()
    theirs = {key: foreign_key(key, places) for key in wanted}
    _require_same(content, {theirs[key]: tuple(value.shape) for key, value in wanted.items()}, dropped, title)
    for key in dropped:
        _require_bins(content, key, title)
    return {key: content.state[foreign].clone() for key, foreign in theirs.items()}


def _require_same(content: Content, wanted: Mapping[str, tuple[int, ...]], dropped: Iterable[str], title: str) -> None:
    missing = [key for key in wanted if key not in content.state]
    extra = [key for key in content.state if key not in wanted and key not in set(dropped)]
    reshaped = [key for key in wanted if key in content.state and content.shape(key) != wanted[key]]
    if missing:
        raise _misfit(title, missing, "missing")
    if reshaped:
        key = reshaped[0]
        what = f"of another shape ({list(content.shape(key))} instead of {list(wanted[key])})"
        raise _misfit(title, reshaped, what)
    if extra:
        raise _misfit(title, extra, "unknown")


def _misfit(title: str, keys: list[str], what: str) -> EngineError:
    tensors = "1 tensor is" if len(keys) == 1 else f"{len(keys)} tensors are"
    return EngineError(f"the checkpoint is of {title}, but {tensors} {what}, first: {keys[0]}", _REPAIR)


def _require_bins(content: Content, key: str, title: str) -> None:
    """A DFL layer that is there must hold what is a constant of our networks."""
    if key in content.state and content.state[key].flatten().tolist() != list(range(BINS)):
        raise EngineError(f"the checkpoint is of {title}, but {key} is not 0 … {BINS - 1}", _REPAIR)


def class_names(value: Any) -> tuple[str, ...]:
    """Class names as these forks keep them: a list, or id → name; empty where there are none."""
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value)] if all(isinstance(key, int) for key in value) else []
    return tuple(str(name) for name in value) if isinstance(value, list | tuple) else ()


def last_epoch(facts: Mapping[str, Any]) -> int | None:
    """The last epoch trained; these programs write -1 when they are done."""
    epoch = facts.get("epoch")
    return epoch if isinstance(epoch, int) and epoch >= 0 else None
