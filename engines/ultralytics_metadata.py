"""The card that ultralytics' exporter hides in its files' metadata (names, task, end2end …)."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from contracts.card import Card, HeadCard, HeadKind, InputCard
from contracts.errors import EngineError
from contracts.tensor import TensorSpec

_KEYS = ("task", "names")
_MOST_TEXT = 1 << 20
"""Characters of a literal that are parsed; a thousand classes need thirty thousand."""


def card_from_ultralytics(name: str, metadata: Mapping[str, str], inputs: Sequence[TensorSpec]) -> Card | None:
    """A card from what ultralytics writes into ONNX and IR files; None where the metadata is not its.

    Its pictures: letterbox with 114, RGB, 0 … 1 (ultralytics/data/augment.py, LetterBox). Classifiers are cropped
    to the middle there; here they see the whole frame, stretched. Raises EngineError for a task nobody reads here.
    """
    if not all(key in metadata for key in _KEYS):
        return None
    task = metadata["task"]
    kind = _kind(name, task, metadata)
    head = HeadCard(name=_HEAD_NAMES[kind], kind=kind, classes=_classes(name, metadata["names"]))
    size = _size(metadata.get("imgsz", "")) if _is_open(inputs) else None
    try:
        return Card(
            name=name,
            input=InputCard(fit="stretch" if task == "classify" else "letterbox", pad=114, colour="rgb", size=size),
            heads=(head,),
            licence=metadata.get("license", ""),
            origin=metadata.get("description", ""),
        )
    except ValidationError as fault:
        raise EngineError(f"{name}: ultralytics' metadata is damaged: {fault.errors()[0]['msg']}", _CURE) from fault


_CURE = "give a card with --card"
_HEAD_NAMES: dict[HeadKind, str] = {
    "yolo_boxes": "boxes",
    "yolo_boxes_end2end": "boxes",
    "yolo_instances": "boxes",
    "classification": "classification",
}


def _kind(name: str, task: str, metadata: Mapping[str, str]) -> HeadKind:
    arguments = _literal(metadata.get("args", ""))
    suppressed = isinstance(arguments, dict) and bool(arguments.get("nms"))
    finished = metadata.get("end2end", "").lower() == "true" or suppressed
    kinds: dict[tuple[str, bool], HeadKind] = {
        ("detect", False): "yolo_boxes",
        ("detect", True): "yolo_boxes_end2end",
        ("segment", False): "yolo_instances",
        ("segment", True): "yolo_instances",
        ("classify", False): "classification",
    }
    kind = kinds.get((task, finished))
    if kind is None:
        how = " with suppression inside the network" if finished else ""
        raise EngineError(f"{name}: ultralytics' metadata says task {task!r}{how}, which no head reads", _CURE)
    return kind


def _classes(name: str, text: str) -> tuple[str, ...]:
    """``{0: 'person', 1: 'car'}`` or ``['person', 'car']`` → names in order."""
    names = _literal(text)
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(map(str, names)) != sorted(map(str, range(len(names)))):
        raise EngineError(f"{name}: the class names in ultralytics' metadata are not numbered 0, 1, 2 …", _CURE)
    by_number = {int(key): str(value) for key, value in names.items()}
    return tuple(by_number[number] for number in range(len(by_number)))


def _size(text: str) -> tuple[int, int] | None:
    """``[height, width]`` or one number, as the exporter writes imgsz → (width, height)."""
    size = _literal(text)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size):
        return size[1], size[0]
    return None


def _is_open(inputs: Sequence[TensorSpec]) -> bool:
    """Whether the file itself leaves width or height open."""
    return any(-1 in spec.shape[1:] for spec in inputs)


def _literal(text: str) -> Any:
    """A Python literal from untrusted text, never evaluated; None where it is not one."""
    if len(text) > _MOST_TEXT:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
