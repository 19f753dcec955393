"""Keys of the YOLOv5 code base and of YOLOP, which is built on it: numbered layers, ``cv1``, ``cv2`` … inside them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from contracts.errors import EngineError
from training.blueprint import Blueprint
from training.foreign import exchange
from training.foreign.content import Content
from training.foreign.exchange import CURE
from training.networks.anchor_head import STRIDES, AnchorHead
from training.networks.blocks import ConvNorm
from training.networks.csp_blocks import Bottleneck, CrossStage, NormedCrossStage, PoolingPyramid, Stem
from training.networks.families import build
from training.networks.network import MOST_CLASSES

_CONVOLUTION = {"convolution": "conv", "norm": "bn"}
_WORDS: Mapping[type[nn.Module], Mapping[str, str]] = {
    Stem: _CONVOLUTION,
    ConvNorm: _CONVOLUTION,
    Bottleneck: {"reduce": "cv1", "convolution": "cv2"},
    CrossStage: {"inner": "cv1", "outer": "cv2", "join": "cv3", "blocks": "m"},
    NormedCrossStage: {
        "inner": "cv1",
        "outer": "cv2",
        "inner_end": "cv3",
        "norm": "bn",
        "join": "cv4",
        "blocks": "m",
    },
    PoolingPyramid: {"reduce": "cv1", "join": "cv2"},
    AnchorHead: {"levels": "m"},
}
"""What the parts of each module of ours are called there."""
_LAYERS = {
    "body.down4": "1",
    "body.stage4": "2",
    "body.down8": "3",
    "body.stage8": "4",
    "body.down16": "5",
    "body.stage16": "6",
    "body.down32": "7",
    "body.reduce32": "10",
    "body.up16": "13",
    "body.reduce16": "14",
    "body.fine": "17",
    "body.again16": "18",
    "body.middle": "20",
    "body.again32": "21",
    "body.coarse": "23",
    "boxes": "24",
}
"""Our modules → numbers of their layers. Those that are missing (11, 12 …) hold no weights."""
_GRID = "24.anchor_grid"
"""The anchors once more, in pixels: computed from ``anchors`` here."""
_FOCUS = "0.conv.conv.weight"


def unwrapped(content: Content) -> dict[str, Tensor]:
    """The state without ``model.`` in front of all keys, however often a wrapper put it there."""
    state = dict(content.state)
    while state and all(key.startswith("model.") for key in state):
        state = {key.removeprefix("model."): value for key, value in state.items()}
    return state


def layers(state: Mapping[str, Tensor], *, pooling_first: bool) -> dict[str, str]:
    """Our modules → their layers, where stem and pooling pyramid are those of this file."""
    pooling, stage = ("8", "9") if pooling_first else ("9", "8")
    stem = "0.conv" if _FOCUS in state else "0"
    return {**_LAYERS, "body.stem": stem, "body.pooling": pooling, "body.stage32": stage}


def exchanged(
    state: Mapping[str, Tensor], blueprint: Blueprint, places: Mapping[str, str], called: str
) -> dict[str, Tensor]:
    """The tensors under our keys, complete and of the right shapes, in the network's order.

    state: unwrapped. places: our modules → their layers. called: "YOLOv5n". Raises EngineError naming the first
    tensors that are missing, too many or of other shapes.
    """
    with torch.device("meta"):
        network = build(blueprint)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    theirs = {key: their_key(network, key, places) for key in shapes}
    found = {key: _as_one_convolution(value) if key == _FOCUS else value for key, value in state.items()}
    _require_unfused(found, called)
    ours = exchange.exchanged(found, theirs, shapes, called, (_GRID,))
    _require_one_set_of_anchors(found, called)
    return ours


def their_key(network: nn.Module, key: str, places: Mapping[str, str]) -> str:
    """The file's key for one of ours: word by word from the outermost module inwards, new from each layer on."""
    module, ours, words = network, "", list[str]()
    for part in key.split("."):
        words.append(_WORDS.get(type(module), {}).get(part, part))
        ours = f"{ours}.{part}" if ours else part
        if ours in places:
            words = [places[ours]]
        module = getattr(module, part)
    return ".".join(words)


def _as_one_convolution(weight: Tensor) -> Tensor:
    """Focus' 3×3 over 12 channels as 6×6 over 3: (out, 12, 3, 3) → (out, 3, 6, 6); other shapes stay as they are.

    Channel 3 × (row + 2 × column) + colour of the 12 is the pixel (row, column) of each 2×2 cell.
    """
    if tuple(weight.shape[1:]) != (12, 3, 3):
        return weight
    cells = weight.reshape(-1, 2, 2, 3, 3, 3)  # out, column, row, colour, y, x
    return cells.permute(0, 3, 4, 2, 5, 1).reshape(-1, 3, 6, 6)  # out, colour, (y, row), (x, column)


def _require_unfused(found: Mapping[str, Tensor], called: str) -> None:
    if any(key.endswith("conv.bias") for key in found) and not any(key.endswith("bn.running_var") for key in found):
        raise EngineError(f"of {called}, but its batch norms are folded into the convolutions (fused)", CURE)


def _require_one_set_of_anchors(found: Mapping[str, Tensor], called: str) -> None:
    """Half precision rounds both copies, each in its own unit."""
    if _GRID in found:
        pixels = found["24.anchors"] * torch.tensor(STRIDES).reshape(3, 1, 1)
        if found[_GRID].numel() != 18 or not torch.allclose(found[_GRID].reshape(3, 3, 2), pixels, rtol=2e-3):
            raise EngineError(f"of {called}, but its two copies of the anchors contradict each other", CURE)


def class_count(state: Mapping[str, Tensor], called: str) -> int:
    """How many classes the box head has; raises EngineError where it has no three anchors per level."""
    shape = tuple(state["24.m.0.weight"].shape) if "24.m.0.weight" in state else ()
    if not shape:
        raise EngineError(f"of {called}, but its box head 24.m.0.weight is missing", CURE)
    anchors = tuple(state["24.anchors"].shape) if "24.anchors" in state else (3, 3, 2)
    classes = shape[0] // 3 - 5
    if anchors != (3, 3, 2) or shape[0] % 3 or not 1 <= classes <= MOST_CLASSES:
        raise EngineError(
            f"of {called}, but with anchors {list(anchors)} and {shape[0]} values per cell", "three per level are known"
        )
    return classes
