"""DDRNet checkpoints of three code bases: ydhongHIT/DDRNet, chenjun2hao/DDRNet.pytorch and kCW-tb/DDRNet.

Their keys are the same but for the biases: those of kCW-tb have one in front of (nearly) every batch norm, and such a
network resizes with aligned corners and up to the input's size. With or without an auxiliary head they come all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from contracts.errors import EngineError
from training.blueprint import Blueprint, Checkpoint, Option
from training.foreign.content import Content
from training.foreign.exchange import CURE, exchanged, last_epoch, shapes_of
from training.networks.ddrnet import FAMILY, HEAD, VARIANTS
from training.networks.ddrnet_classes import CITYSCAPES, ETRI

if TYPE_CHECKING:
    from torch import Tensor

_MARKS = ("down4.", "layer5_.")
"""Modules that no relative of DDRNet has together (PIDNet has the second only)."""
_WRAPPERS = re.compile(r"^(?:model\.|module\.)+")
_DROPPED = "loss."
"""Class weights of a loss that chenjun2hao's training wraps around the network."""
_STAGES = {"23-slim": ("3", "4"), "23": ("3", "4"), "39": ("3_1", "3_2", "4")}
"""What the three code bases call the stages that have two branches."""

Pairs = Iterator[tuple[str, str]]


def recognise(content: Content) -> Checkpoint | None:
    """A DDRNet of any of the three code bases, None where the keys are another network's.

    Raises EngineError for a DDRNet of unknown width, without its head, or with missing, extra or mis-shaped tensors.
    """
    bare = {_WRAPPERS.sub("", key): value for key, value in content.state.items()}
    state = {key: value for key, value in bare.items() if not key.startswith(_DROPPED)}
    if not all(any(key.startswith(mark) for key in state) for mark in _MARKS):
        return None
    if len(bare) < len(content.state):
        raise EngineError("of a DDRNet held twice, under two prefixes", "save one of them alone")
    blueprint, notes = _blueprint(state)
    biased = bool(blueprint.options.get("convolution_bias"))
    return Checkpoint(
        blueprint=blueprint,
        state=_renamed(state, blueprint),
        input=FAMILY.input,
        origin="kCW-tb/DDRNet" if biased else "ydhongHIT/DDRNet or chenjun2hao/DDRNet.pytorch (same keys)",
        licence="none stated" if biased else FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=(*content.notes, *notes),
    )


def _blueprint(state: Mapping[str, Tensor]) -> tuple[Blueprint, tuple[str, ...]]:
    """What the shapes say, and what had to be assumed."""
    variant = _variant(state)
    count, head_channels, pyramid_channels = (
        _outputs(state, key, variant)
        for key in ("final_layer.conv2.weight", "final_layer.conv1.weight", "spp.scale0.2.weight")
    )
    if not 2 <= count <= 256:
        raise EngineError(f"{_called(variant)}, but with {count} classes", "2 to 256 can be drawn")
    options: dict[str, Option] = {}
    if "layer1.0.conv1.bias" in state:
        options |= {"convolution_bias": True, "align_corners": True, "output_stride": 1}
    if any(key.startswith("seghead_extra.") for key in state):
        options["auxiliary"] = True
    if head_channels != VARIANTS[variant].head_channels:
        options["head_channels"] = head_channels
    if pyramid_channels != VARIANTS[variant].pyramid_channels:
        options["pyramid_channels"] = pyramid_channels
    classes, note = _classes(count, "convolution_bias" in options)
    return Blueprint(FAMILY.name, variant, {HEAD: classes}, options), (note,)


def _variant(state: Mapping[str, Tensor]) -> str:
    deep = any(key.startswith("layer3_1.") for key in state)
    stem = state.get("conv1.0.weight")
    width = len(stem) if stem is not None and stem.ndim == 4 else 0
    for variant, facts in VARIANTS.items():
        if facts.width == width and (len(facts.stages) == 3) == deep:
            return variant
    known = ", ".join(f"{facts.width} in DDRNet-{variant}" for variant, facts in VARIANTS.items())
    raise EngineError(
        f"of a DDRNet{' with the stages of DDRNet-39' if deep else ''}, but its first convolution has {width} channels",
        f"known are {known}",
    )


def _outputs(state: Mapping[str, Tensor], key: str, variant: str) -> int:
    """The output channels of a convolution that decides a width; raises EngineError where the file lacks it."""
    if key in state and state[key].ndim == 4 and state[key].numel():
        return len(state[key])
    if not any(name.startswith("final_layer.") for name in state):
        raise EngineError(
            f"{_called(variant)}, but without a segmentation head: a backbone trained to classify pictures",
            "train it for segmentation first",
        )
    raise EngineError(f"{_called(variant)}, but {key} is missing or no convolution", "copy or save the file again")


def _classes(count: int, biased: bool) -> tuple[tuple[str, ...], str]:
    """Class names and a note: none of the three code bases writes names into its checkpoints."""
    if count != len(CITYSCAPES):
        names = tuple(f"class {index}" for index in range(count))
        return names, f"the file has no class names; its {count} are called class 0, class 1 …"
    names, whose = (ETRI, "ETRI's") if biased else (tuple(CITYSCAPES), "Cityscapes'")
    return names, f"class names assumed, check them: {whose} {count} (the file has none)"


def _renamed(state: Mapping[str, Tensor], blueprint: Blueprint) -> dict[str, Tensor]:
    """Our keys → tensors; raises EngineError where they are not exactly those of the blueprint's network."""
    theirs = {new: old for old, new in _modules(blueprint.variant)}
    shapes = shapes_of(blueprint)
    _require_all_or_no_biases(state, {key.rpartition(".")[0] for key in shapes}, theirs, _called(blueprint.variant))
    names = {key: _with_module(key, theirs) for key in shapes}
    return exchanged(state, names, shapes, f"DDRNet-{blueprint.variant}")


def _with_module(key: str, names: Mapping[str, str]) -> str:
    """A key with its module, all but the last part, renamed."""
    module, _, leaf = key.rpartition(".")
    return f"{names[module]}.{leaf}"


def _require_all_or_no_biases(
    state: Mapping[str, Tensor], modules: set[str], theirs: Mapping[str, str], what: str
) -> None:
    """Half of the biases would mean weights of one code base read, not strictly, into the network of another."""
    optional = sorted(m for m in modules if m.endswith(".convolution") and not m.startswith(("stem.", "pyramid.")))
    biased = [theirs[module] for module in optional if f"{theirs[module]}.bias" in state]
    if 0 < len(biased) < len(optional):
        raise EngineError(
            f"{what}, but only {len(biased)} of {len(optional)} convolutions in front of a batch norm have a bias, "
            f"first: {biased[0]}: weights of two code bases in one file",
            CURE,
        )


def _called(variant: str) -> str:
    return f"of DDRNet-{variant}"


def _modules(variant: str) -> Pairs:
    """(their module, our module) for every one with weights of its own; some exist in certain networks only."""
    facts = VARIANTS[variant]
    yield from _chain("conv1", "stem")
    yield from _blocks("layer1", "stage1", facts.blocks[0])
    yield from _blocks("layer2", "stage2", facts.blocks[1])
    for index, (name, stage) in enumerate(zip(_STAGES[variant], facts.stages, strict=True)):
        yield from _blocks(f"layer{name}", f"stages.{index}.context", stage.blocks)
        yield from _blocks(f"layer{name}_", f"stages.{index}.detail", stage.blocks)
        yield from _chain(f"down{name}", f"stages.{index}.down")
        yield f"compression{name}.0", f"stages.{index}.compression.convolution"
        yield f"compression{name}.1", f"stages.{index}.compression.norm"
    yield from _residual("layer5.0", "context_last")
    yield from _residual("layer5_.0", "detail_last")
    yield from _pyramid()
    for head, name in (("final_layer", "head"), ("seghead_extra", "auxiliary")):
        for old, new in (("bn1", "norm1"), ("conv1", "convolution"), ("bn2", "norm2"), ("conv2", "classifier")):
            yield f"{head}.{old}", f"{name}.{new}"


def _chain(old: str, new: str) -> Pairs:
    """Two convolutions at most: convolution, norm, ReLU, convolution, norm."""
    for index, name in ((0, "layer1.convolution"), (1, "layer1.norm"), (3, "layer2.convolution"), (4, "layer2.norm")):
        yield f"{old}.{index}", f"{new}.{name}"


def _blocks(old: str, new: str, count: int) -> Pairs:
    for index in range(count):
        yield from _residual(f"{old}.{index}", f"{new}.block{index + 1}")


def _residual(old: str, new: str) -> Pairs:
    for number in (1, 2, 3):
        yield f"{old}.conv{number}", f"{new}.body.layer{number}.convolution"
        yield f"{old}.bn{number}", f"{new}.body.layer{number}.norm"
    yield f"{old}.downsample.0", f"{new}.shortcut.convolution"
    yield f"{old}.downsample.1", f"{new}.shortcut.norm"


def _pyramid() -> Pairs:
    """Norm, ReLU, convolution; scales 1 to 4 have their pool in front."""
    places = [("scale0", "scales.0", 0), ("compression", "compression", 0), ("shortcut", "shortcut", 0)]
    places += [(f"scale{number}", f"scales.{number}", 1) for number in range(1, 5)]
    places += [(f"process{number}", f"merges.{number - 1}", 0) for number in range(1, 5)]
    for old, new, index in places:
        yield f"spp.{old}.{index}", f"pyramid.{new}.norm"
        yield f"spp.{old}.{index + 2}", f"pyramid.{new}.convolution"
