"""Guesses the card of a network file from nothing but its inputs and outputs. For a person to read and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.card import Card, HeadCard, HeadKind, InputCard
from contracts.errors import EngineError
from contracts.prediction import MaskRole
from contracts.tensor import TensorSpec
from engines.cards import check_card, check_heads
from engines.class_names import numbered, usual_names
from engines.releases import registered_cards

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""The levels that YOLO detectors look at; the usual ones first."""
_ANCHORS = 3
"""Boxes per cell and level in YOLOv5 and YOLOP."""
_MOST_FINISHED = 1000
"""Rows of a network that has chosen its boxes itself (300 in v10 and v26)."""
_USUAL_SIZE = (640, 640)
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_MOST_CLASSES = 10_000
_TWO_CLASSES = ("two_class_mask", "mask_ids")


_ROAD_AGENTS = HeadCard(
    name="agents",
    kind="road_agents",
    classes=("Car", "Bus"),
    locations=("VehLane", "OutgoLane", "IncomLane", "Jun", "Parking"),
    actions=("Brake", "IncatLft", "IncatRht", "HazLit"),
)
"""Of the one road-agents network there is (kCW-tb/complex_detection), in the order of its scores."""


@dataclass(frozen=True, slots=True)
class Guess:
    """card: the likeliest one, None where nothing fits. doubts: one line each, what a person should look at.

    unnamed: names of the heads whose classes have names that were made up here, or none. The others' are known: from
    a registered network alike, or because everybody who has as many classes calls them so.
    """

    card: Card | None
    doubts: tuple[str, ...]
    unnamed: tuple[str, ...] = ()


def guess_card(name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Guess:
    """The card that a file with these tensors most likely wants.

    inputs, outputs: as the file has them, -1 where open. A card that is given has passed ``check_card`` against them.
    Never raises: what cannot be read is said in ``doubts``.
    """
    size = _picture_size(inputs)
    model = _registered_alike(outputs, size)
    if model is not None:
        heads, given = model.heads, model.input.model_copy(update={"size": None})
        doubts = [f"input and heads are those of {model.name}, whose outputs have the same names"]
    else:
        heads, doubts = _heads(outputs, size)
        given = _input(heads)
        doubts.append(f"fit, colours, scale, mean and std are not in the file: {_described(given)} is a guess")
    if not heads:
        has = ", ".join(map(str, outputs)) or "none"
        return Guess(None, (*doubts, f"no output looks like one that a head reads: {has}"))
    if size is not None and -1 in size:
        given = given.model_copy(
            update={"size": tuple(u if s == -1 else s for s, u in zip(size, _USUAL_SIZE, strict=True))}
        )
        doubts.append("the file leaves its input size open: give the one it was trained at")
    if any(spec.dtype == "uint8" for spec in inputs):
        given = given.model_copy(update={"scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3})
    card = Card(name=name, input=given, heads=tuple(heads))
    try:
        check_card(card, inputs, outputs)
    except EngineError as error:
        return Guess(None, (*doubts, error.message))
    return Guess(card, tuple(doubts), tuple(head.name for head in heads if _is_unnamed(head)))


def _is_unnamed(head: HeadCard) -> bool:
    """Masks apart: their two classes are what their role says."""
    if head.kind == "road_agents":  # as many scores may be those of one question
        return True
    return head.kind not in _TWO_CLASSES and head.classes == numbered(len(head.classes))


def _described(given: InputCard) -> str:
    normalised = ", ImageNet's mean and std" if given.mean != (0.0, 0.0, 0.0) else ""
    return f"{given.fit}, {given.colour.upper()}, / {given.scale:g}{normalised}"


def _picture_size(inputs: Sequence[TensorSpec]) -> tuple[int, int] | None:
    """(width, height) of the first input that is a picture, -1 where open; None where there is none."""
    for spec in inputs:
        if len(spec.shape) == 4:
            height, width = spec.shape[1:3] if spec.shape[3] == 3 and spec.shape[1] != 3 else spec.shape[2:4]
            return width, height
    return None


def _registered_alike(outputs: Sequence[TensorSpec], size: tuple[int, int] | None) -> Card | None:
    """The registered card whose several outputs this file has by the same names: a network of the same family.

    One output proves nothing (half the world's are called output0). Of several that feed their pictures differently
    only one of the very same input size counts.
    """
    names = {spec.name for spec in outputs}
    alike = []
    for card in registered_cards():
        reads = {name for head in card.heads for name in head.outputs}
        if len(reads) > 1 and reads <= names and _fits(card, outputs):
            alike.append(card)
    exact = [card for card in alike if card.input.size == size]
    chosen = exact or alike
    agree = len({card.input.model_copy(update={"size": None}) for card in chosen}) == 1
    return chosen[0] if agree else None


def _fits(card: Card, outputs: Sequence[TensorSpec]) -> bool:
    try:
        check_heads(card, outputs)
    except EngineError:
        return False
    return True


def _input(heads: Sequence[HeadCard]) -> InputCard:
    """How networks with such heads are usually fed: class maps with ImageNet's mean and std, the others with 0 … 1."""
    if any(head.kind == "class_map" for head in heads):
        return InputCard.model_validate(_IMAGENET)
    return InputCard(fit="stretch" if any(head.kind == "classification" for head in heads) else "letterbox")


def _heads(outputs: Sequence[TensorSpec], size: tuple[int, int] | None) -> tuple[tuple[HeadCard, ...], list[str]]:
    """A head for every output that looks like one, and what is doubtful about them."""
    heads: list[HeadCard] = []
    doubts: list[str] = []
    left = list(outputs)
    pair = _instances(left, size)
    if pair is not None:
        heads.append(pair)
        left = [spec for spec in left if spec.name not in pair.outputs]
    levels = _raw_levels(left)
    for spec in left:
        head = None if spec in levels else _head(spec, size)
        if head is None:
            doubts.append(f"output {spec} looks like nothing that a head reads; it is left out")
            continue
        taken = {other.name for other in heads}
        heads.append(head.model_copy(update={"name": spec.name}) if head.name in taken else head)
    doubts += [doubt for head in heads for doubt in _doubts(head)]
    return tuple(heads), doubts


def _instances(outputs: Sequence[TensorSpec], size: tuple[int, int] | None) -> HeadCard | None:
    """Boxes with coefficients [B, 4 + C + M, N], or finished [B, K, 6 + M], and their prototypes [B, M, h, w]."""
    for prototypes in outputs:
        for boxes in outputs:
            if len(prototypes.shape) != 4 or len(boxes.shape) != 3:
                continue
            basis = prototypes.shape[1]
            if basis <= 2:
                continue
            classes = boxes.shape[1] - 4 - basis
            finished = boxes.shape[2] == 6 + basis and boxes.shape[1] <= _MOST_FINISHED
            if finished or (classes >= 1 and _is_per_cell(boxes.shape[2], size, 1)):
                names = (boxes.name, prototypes.name)
                if not finished and classes == _scores(_ROAD_AGENTS):
                    return _ROAD_AGENTS.model_copy(update={"outputs": names})
                known = () if finished else usual_names(classes)
                return HeadCard(name="boxes", kind="yolo_instances", outputs=names, classes=known)
    return None


def _scores(head: HeadCard) -> int:
    """Of a box, as its names have it."""
    return len(head.classes) + len(head.locations) + len(head.actions)


def _raw_levels(outputs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Outputs that are a detector's levels, undecoded: [B, C, h, w] in several sizes, or five-dimensional."""
    deep = [spec for spec in outputs if len(spec.shape) == 4 and spec.shape[1] > 2]
    sizes = {spec.shape[2:] for spec in deep}
    return (deep if len(sizes) > 1 else []) + [spec for spec in outputs if len(spec.shape) > 4]


def _head(spec: TensorSpec, size: tuple[int, int] | None) -> HeadCard | None:
    """The head that reads this output alone, None where it looks like none."""
    reading = next(_readings(spec, size), None)
    if reading is None:
        return None
    kind, count = reading
    role = _role(spec.name) if kind in _TWO_CLASSES else ""
    if role:
        classes: tuple[str, ...] = ("other", {"drivable": "drivable area", "lane": "lane line"}[role])
    else:
        classes = usual_names(count)
    names: dict[HeadKind, str] = {"class_map": "classes", "classification": "classification"}
    name = role or ("boxes" if "boxes" in kind else names.get(kind, spec.name))
    return HeadCard(name=name, kind=kind, outputs=(spec.name,), classes=classes, role=role)


def _readings(spec: TensorSpec, size: tuple[int, int] | None) -> Iterator[tuple[HeadKind, int]]:
    """What one output may be, likeliest first, with its number of classes (0: the shape does not say)."""
    shape = spec.shape
    if spec.dtype.startswith(("int", "uint")) and (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)):
        yield "mask_ids", 0
    if "float" not in spec.dtype:
        return
    if len(shape) == 2 and 2 <= shape[1] <= _MOST_CLASSES:
        yield "classification", shape[1]
    if len(shape) == 4 and shape[1] in (1, 2):
        yield "two_class_mask", 2
    if len(shape) == 4 and 2 < shape[1] <= 256:
        yield "class_map", shape[1]
    if len(shape) == 3:
        yield from _box_readings(shape, size)


def _box_readings(shape: tuple[int, ...], size: tuple[int, int] | None) -> Iterator[tuple[HeadKind, int]]:
    """Boxes in one tensor: channels first without anchors (v8, 11), last with anchors (v5, YOLOP) or when chosen."""
    _, second, third = shape
    if 5 <= second <= _MOST_CLASSES and (second < third or third == -1) and _is_per_cell(third, size, 1):
        yield "yolo_boxes", second - 4
    if 6 <= third < second and _is_per_cell(second, size, _ANCHORS):
        yield "anchor_boxes", third - 5
    if third == 6 and 0 < second <= _MOST_FINISHED:
        yield "yolo_boxes_end2end", 0
    if 6 < third <= _MOST_CLASSES and second == -1:
        yield "anchor_boxes", third - 5


def _is_per_cell(count: int, size: tuple[int, int] | None, each: int) -> bool:
    """Whether ``count`` is ``each`` per cell of all levels of a detector; where sizes are open: whether it may be."""
    if count == -1 or size is None or -1 in size:
        return count == -1 or count > _MOST_FINISHED
    width, height = size
    totals = [sum(-(-width // stride) * -(-height // stride) for stride in strides) for strides in _STRIDES]
    return count in [each * total for total in totals]


def _role(name: str) -> MaskRole:
    """What a mask shows, by the words in its output's name; "" where they do not say."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    if words & {"lane", "lanes", "ll", "line", "lines", "lane_line"}:
        return "lane"
    return "drivable" if words & {"da", "drivable", "drive", "driveable", "road", "area"} else ""


def _doubts(head: HeadCard) -> Iterator[str]:
    """What the shape of an output cannot say about its head."""
    scores = _scores(head)
    if head.kind == "road_agents":
        yield (
            f"head {head.name}: its {scores} scores are read as those of the road-agents network (what, where, lights);"
            f" if they are {scores} classes, it is `kind: yolo_instances` with their names"
        )
    elif head.kind in _TWO_CLASSES and not head.role:
        yield f"head {head.name}: `role: drivable` or `role: lane` if it shows that; its classes' names"
    elif head.kind == "yolo_boxes_end2end" or (head.kind == "yolo_instances" and not head.classes):
        yield f"head {head.name}: its classes' names, in the order of their numbers"
    elif head.kind not in _TWO_CLASSES:
        whose = {80: "COCO's", 19: "Cityscapes'"}.get(scores, "invented")
        yield f"head {head.name}: the names of its {scores} classes are {whose}"
        if head.kind == "yolo_instances" and _is_unnamed(head):
            yield (
                f"head {head.name}: if its {scores} scores answer what, where and which lights, it is"
                " `kind: road_agents` with `classes`, `locations` and `actions`"
            )
