"""Checkpoints of hustvl/YOLOP: {epoch, model (a name), state_dict, optimizer}, numbered layers."""

from __future__ import annotations

from training.blueprint import Blueprint, Checkpoint
from training.foreign.content import Content
from training.foreign.csp_keys import class_count, exchanged, layers, unwrapped
from training.foreign.exchange import last_epoch
from training.networks.yolop import FAMILY

_SIGNS = ("24.m.0.weight", "24.anchors", "17.cv4.conv.weight", "33.conv.weight", "42.conv.weight")
"""Three of these, and nothing behind layer 42: a YOLOP, whole or not."""
_LAYERS = frozenset(map(str, range(43)))
_AREA = {"convolution8": 0, "stage4": 2, "convolution4": 3, "convolution2": 5, "stage2": 6, "scores": 8}
"""Modules of an area branch → how many layers behind its first one."""
AREAS = {
    f"{name}.{module}": str(first + behind)
    for name, first in (("drivable", 25), ("lane", 34))
    for module, behind in _AREA.items()
}
"""Modules of both area branches → their layers."""


def recognise(content: Content) -> Checkpoint | None:
    """The checkpoint under our keys; None where it is of another family. Raises EngineError where it does not fit."""
    state = unwrapped(content)
    numbers = {first for first in (key.partition(".")[0] for key in state) if first.isdecimal()}
    if sum(sign in state for sign in _SIGNS) < 3 or not numbers <= _LAYERS:
        return None
    count = class_count(state, FAMILY.title)
    classes = ("vehicle",) if count == 1 else tuple(f"class {number}" for number in range(count))
    notes = () if count == 1 else (f"the file does not name its {count} classes; they are numbered",)
    blueprint = Blueprint(FAMILY.name, "standard", {"boxes": classes})
    return Checkpoint(
        blueprint=blueprint,
        state=exchanged(state, blueprint, {**layers(state, pooling_first=True), **AREAS}, FAMILY.title),
        input=FAMILY.input,
        origin="https://github.com/hustvl/YOLOP",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=(*content.notes, *notes),
    )
