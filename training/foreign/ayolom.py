"""A-YOLOM checkpoints: YOLOv8-multi-task of JiayuanWang-JW and its forks."""

from __future__ import annotations

from contracts.errors import EngineError
from training.blueprint import Blueprint, Checkpoint
from training.foreign.content import Content
from training.foreign.exchange import class_names, class_total, last_epoch
from training.foreign.yolo8_keys import PLACES, bottlenecks, exchanged
from training.networks.ayolom import FAMILY, VARIANTS

_PLACES = PLACES | {
    **{f"lane_neck.{i}.gate": f"{23 + 3 * i}.weight" for i in range(4)},
    **{f"lane_neck.{i}.blend": f"{23 + 3 * i}.conv" for i in range(4)},
    **{f"lane_neck.{i}.mix": f"{24 + 3 * i}" for i in range(4)},
    **{f"drivable_neck.{i}.gate": f"{35 + 3 * i}.weight" for i in range(4)},
    **{f"drivable_neck.{i}.blend": f"{35 + 3 * i}.conv" for i in range(4)},
    **{f"drivable_neck.{i}.mix": f"{36 + 3 * i}" for i in range(4)},
    "boxes.distances": "46.cv2",
    "boxes.classes": "46.cv3",
    "drivable": "47",
    "lane": "48",
}
_DROPPED = tuple(f"model.{head}.dfl.conv.weight" for head in (46, 47, 48))
"""The bins 0 … 15, a constant of ours; those of the mask heads (47, 48) are not even used there."""
_SIGNS = ("model.23.weight", "model.46.cv3.0.2.weight", "model.47.upsample.weight", "model.48.upsample.weight")
"""Two of these: an A-YOLOM, whole or not."""


def recognise(content: Content) -> Checkpoint | None:
    """The checkpoint under our keys; None where it is of another family. Raises EngineError where it does not fit."""
    if sum(key in content.state for key in _SIGNS) < 2:
        return None
    variant = _variant(content)
    classes, notes = _classes(content)
    blueprint = Blueprint(FAMILY.name, variant, {"boxes": classes})
    return Checkpoint(
        blueprint=blueprint,
        state=exchanged(content, blueprint, _PLACES, _DROPPED, f"{FAMILY.title} {variant}"),
        input=FAMILY.input,
        origin="https://github.com/JiayuanWang-JW/YOLOv8-multi-task",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=(*content.notes, *notes),
    )


def _variant(content: Content) -> str:
    """Width from the first convolution, depth by counting the second stage's bottlenecks."""
    channels = content.shape("model.0.conv.weight")[:1]
    found = (channels[0] if channels else 0, bottlenecks(content, 4))
    known = {name: (scale.channels(64), scale.repeats(6)) for name, scale in VARIANTS.items()}
    for name, size in known.items():
        if size == found:
            return name
    sizes = ", ".join(f"{name} {wide} and {deep}" for name, (wide, deep) in known.items())
    raise EngineError(
        f"of {FAMILY.title}, but of no scale known: its first convolution has {found[0]} channels"
        f" and model.4 has {found[1]} bottlenecks",
        f"known: {sizes}",
    )


def _classes(content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names for as many classes as the tensors have, and what is to be said about them.

    The forks train boxes as one class but keep the names of the whole data set.
    """
    count = class_total(content.shape("model.46.cv3.0.2.weight") or (1,), FAMILY.title)
    listed = content.model.get("names")
    names = class_names(listed, count)
    if names is not None:
        return names, ()
    told = f"the file names {len(listed)} classes but finds {count}: " if isinstance(listed, list | dict) else ""
    if count == 1:
        return ("vehicle",), ((f"{told}called vehicle",) if told else ())
    return tuple(f"class {number}" for number in range(count)), (f"{told}they are numbered",)
