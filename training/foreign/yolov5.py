"""Checkpoints of ultralytics/yolov5, releases 4.0 to 7.0: detection networks n, s, m, l, x with any classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from contracts.errors import EngineError
from engines.class_names import usual_names
from training.blueprint import Blueprint, Checkpoint, Option
from training.foreign.content import Content
from training.foreign.csp_keys import class_count, exchanged, layers, unwrapped
from training.foreign.exchange import class_names, last_epoch
from training.networks.yolov5 import FAMILY, SCALES, plan

_SIGNS = ("9.cv2.conv.weight", "13.cv3.conv.weight", "23.cv3.conv.weight", "24.m.0.weight", "24.anchors")
"""Three of these: a YOLOv5, whole or not."""
_KNOWN = "detection networks of YOLOv5 4.0 and later in the sizes n, s, m, l and x can be imported"


def recognise(content: Content) -> Checkpoint | None:
    """The checkpoint under our keys; None where it is of another family. Raises EngineError where it does not fit."""
    state = unwrapped(content)
    _refuse_relatives(state)
    if not _is_yolov5(state):
        return None
    _require_silu(content)
    variant, pooling_first = _variant(state), "8.cv3.conv.weight" not in state
    called = f"YOLOv5{variant}"
    classes, notes = _classes(content, class_count(state, called))
    options: dict[str, Option] = {"pooling_first": True} if pooling_first else {}
    blueprint = Blueprint(FAMILY.name, variant, {"boxes": classes}, options)
    return Checkpoint(
        blueprint=blueprint,
        state=exchanged(state, blueprint, layers(state, pooling_first=pooling_first), called),
        input=FAMILY.input.model_copy(update={"size": _size(content)}),
        origin="https://github.com/ultralytics/yolov5",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=(*content.notes, *notes),
    )


def _is_yolov5(state: Mapping[str, Tensor]) -> bool:
    """YOLOP goes on behind layer 24; YOLOv5u, the anchor-free one of ultralytics, has branches there."""
    beyond = any(key.startswith(("25.", "24.cv2.")) for key in state)
    return not beyond and sum(sign in state for sign in _SIGNS) >= 3


def _refuse_relatives(state: Mapping[str, Tensor]) -> None:
    """Raises EngineError for what the same code base trains, but is another network."""
    relatives = {
        "a YOLOv5 classification network": ("2.cv3.conv.weight", "9.linear.weight"),
        "a YOLOv5 segmentation network": ("24.anchors", "24.proto.cv1.conv.weight"),
        "a YOLOv5 with four levels (n6, s6, m6, l6, x6)": ("2.cv3.conv.weight", "33.anchors"),
    }
    for what, signs in relatives.items():
        if all(sign in state for sign in signs):
            raise EngineError(f"of {what}, which is not supported", _KNOWN)
    if "2.cv4.conv.weight" in state and "24.anchors" in state and not any(key.startswith("25.") for key in state):
        raise EngineError("of a YOLOv5 before release 4.0, which is not supported", _KNOWN)


def _require_silu(content: Content) -> None:
    """Weights do not show the activation; the pickled modules do, where there are any."""
    for path, kind in content.modules.items():
        name = kind.rpartition(".")[2]
        if path.rpartition(".")[2] == "act" and name not in ("SiLU", "Identity"):
            raise EngineError(f"of YOLOv5, but with {name} instead of SiLU (at {path})", _KNOWN)


def _variant(state: Mapping[str, Tensor]) -> str:
    """By the width of the first downsampling and the number of bottlenecks in the first stage."""
    first = tuple(state["1.conv.weight"].shape) if "1.conv.weight" in state else ()
    width = first[0] if first else 0
    depth = len({key.split(".")[2] for key in state if key.startswith("2.m.")})
    known = {name: plan(name, pooling_first=False) for name in SCALES}
    for name, body in known.items():
        if (body.channels[1], body.repeats[0]) == (width, depth):
            return name
    sizes = ", ".join(f"{name} {body.channels[1]} and {body.repeats[0]}" for name, body in known.items())
    raise EngineError(
        f"of YOLOv5, but of no size known: layer 1 has {width} channels, layer 2 has {depth} bottlenecks",
        f"known: {sizes}",
    )


def _classes(content: Content, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, and what is to be said about them."""
    names = class_names(content.model.get("names"), count)
    if names is not None:
        return names, ()
    return usual_names(count), (f"the file does not name its {count} classes; the names here are assumed",)


def _size(content: Content) -> tuple[int, int]:
    """(width, height) of training where the file says so: later releases keep their options."""
    given = content.facts.get("opt")
    side = given.get("imgsz") if isinstance(given, Mapping) else None
    if type(side) is int and 32 <= side <= 8192 and side % 32 == 0:
        return side, side
    return 640, 640
