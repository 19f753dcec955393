"""ultralytics' own checkpoints (YOLOv8, v10, 11, 26): read as data like all others, then given ultralytics' classes.

Their pickles are not loaded a second time by anybody. The shells that the restricted reader made become objects of
ultralytics' module classes by ``__new__`` and ``__setstate__``: no constructor runs (``DetectionModel`` evaluates text
of its configuration), only subclasses of ``nn.Module`` from three places are taken, and hooks are left behind.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from contracts.card import Card, HeadCard, HeadKind, InputCard
from contracts.errors import EngineError
from training.foreign.content import Content
from training.foreign.exchange import is_name, last_epoch
from training.inert import Shell
from training.networks.network import MOST_CLASSES, Deployed
from training.pickles import FAULTS
from training.report import card_lines
from training.revival import Revival
from training.subject import Subject

LICENCE = "AGPL-3.0 (Ultralytics)"
_TASKS = "ultralytics.nn.tasks"
_PLACES = ("torch.nn.modules.", "ultralytics.nn.modules.", f"{_TASKS}.")
_RENAMED = {
    f"{_TASKS}.YOLOv10DetectionModel": f"{_TASKS}.DetectionModel",
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
}
"""Classes of older releases → what they are called today."""
_HEADS: dict[str, HeadKind] = {
    "Detect": "yolo_boxes",
    "v10Detect": "yolo_boxes",
    "Segment": "yolo_instances",
    "Segment26": "yolo_instances",
    "Classify": "classification",
}
_MODELS = ("DetectionModel", "SegmentationModel", "ClassificationModel")
_LARGEST_STRIDE = 256
LARGEST_SIDE = 8192
"""Of an input, in pixels."""
_SWITCHES = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0"}
"""No look whether the network is there (hence no events), nothing installed by itself, no chatter."""


def is_ultralytics(shell: Shell | None) -> TypeGuard[Shell]:
    """Whether a pickled module is one of ultralytics' networks."""
    return shell is not None and shell.path.startswith(f"{_TASKS}.")


def ultralytics_subject(shell: Shell, content: Content, path: Path) -> Subject:
    """A checkpoint of ultralytics as a network that can be exported. Raises EngineError.

    shell: its network, from the restricted reader; content: the same file's tensors and plain facts.
    """
    where = f"checkpoint {path}"
    _import(where)
    try:
        return _subject(shell, content, path)
    except FAULTS as fault:  # attributes of a stranger's making, in code that expects its own
        raise EngineError(
            f"the installed ultralytics cannot run {where}: {ascii(str(fault))[:200]}",
            "save it again with the current ultralytics, or take it from its authors",
        ) from fault


def _subject(shell: Shell, content: Content, path: Path) -> Subject:
    where = f"checkpoint {path}"
    model = _model(shell, where)
    kind = _kind(model, where)
    version = content.facts.get("version")
    card = Card(
        name=path.stem,
        input=_input(model, content, kind),
        heads=(_head_card(kind, _classes(model, where)),),
        licence=LICENCE,
        origin=f"ultralytics {version if is_name(version) else ''}".strip(),
    )
    stride = 32 if kind == "classification" else _stride(model.stride)
    if not 0 < stride <= _LARGEST_STRIDE:
        raise ValueError(f"its stride is {stride}")
    plain, deployed = _Whole(model, card.heads[0].outputs).eval(), _deployed(model, card.heads[0].outputs)
    with torch.inference_mode():
        for network in (plain, deployed):  # whether its parts fit together shows here and not in an exporter
            network(torch.zeros(1, 3, 2 * stride, 2 * stride))
    return Subject(
        card=card,
        stride=(stride, stride),
        plain=lambda _: plain,
        deployed=lambda _: deployed,
        report=_report(model, content, card),
    )


def _stride(value: Any) -> int:
    """The coarsest of the strides, which a model keeps as a short tensor."""
    if not isinstance(value, Tensor) or not 1 <= value.numel() <= 8:
        raise TypeError("its strides are no tensor")
    return int(value.max())


class _Whole(Deployed):
    """ultralytics' own forward in its export mode."""

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) → (boxes,), (boxes, prototypes) or (probabilities,)."""
        found = self.model(images)
        return found if isinstance(found, tuple) else (found,)


class _Decoded(_Whole):
    """The same, traceable: ultralytics keeps anchors from one shape to the next, here they are computed in place.

    What depends on classes is looked up first: a tracer shows modules through proxies of its own.
    """

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        super().__init__(model, names)
        head = model.model[-1]
        self._end2end = bool(head.end2end)
        self._all_levels = type(head).__name__ == "Segment26"  # its prototypes see all levels, those of others one

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) → boxes (B, 4 + C [+ 32], N) or (B, 300, 6), and prototypes (B, 32, H / 4, W / 4)."""
        head = self.model.model[-1]
        levels = self._levels(images)
        found = head.forward_head(levels, **(head.one2one if self._end2end else head.one2many))
        boxes = _decoded(head, found)
        if self._end2end:
            return (head.postprocess(boxes.permute(0, 2, 1)),)
        if len(self.names) == 1:
            return (boxes,)
        prototypes = head.proto(levels if self._all_levels else levels[0])
        return torch.cat([boxes, found["mask_coefficient"]], 1), prototypes

    def _levels(self, images: Tensor) -> list[Tensor]:
        """The feature maps that the head reads: every layer names the earlier ones that it takes (-1: the last)."""
        *layers, head = self.model.model
        results: list[Tensor] = []
        for layer in layers:
            results.append(layer(_taken(layer.f, results) if results else images))
        levels: list[Tensor] = _taken(head.f, results)
        return levels


def _taken(wanted: int | list[int], results: list[Tensor]) -> Any:
    return results[wanted] if isinstance(wanted, int) else [results[index] for index in wanted]


def _decoded(head: Any, found: Mapping[str, Any]) -> Tensor:
    """(B, 4 + C, N): boxes in input pixels and scores."""
    from ultralytics.utils.tal import make_anchors

    anchors, strides = (each.transpose(0, 1) for each in make_anchors(found["feats"], head.stride, 0.5))
    boxes = head.decode_bboxes(head.dfl(found["boxes"]), anchors.unsqueeze(0)) * strides
    return torch.cat([boxes, found["scores"].sigmoid()], 1)


def _deployed(model: Any, names: tuple[str, ...]) -> Deployed:
    """A copy with batch norms folded and unused branches dropped, by ultralytics' own means."""
    fused = copy.deepcopy(model).fuse(verbose=False).eval()
    kind = _Whole if names == ("classification",) else _Decoded
    return kind(fused, names).eval()


def _model(shell: Shell, where: str) -> Any:
    """The network in eval and export mode, float32."""
    model: Any = Revival(lambda path: _class(path, where), where).module(shell).float().eval()
    head = model.model[-1]
    model.criterion = None
    head.export, head.format, head.dynamic = True, "onnx", False
    for name in ("anchors", "strides", "shape"):  # what the last picture of the training left behind
        head.__dict__.pop(name, None)
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = type(head).__name__ != "Segment26"  # boxes with masks are suppressed by us
    for module in model.modules():
        if isinstance(module, nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None  # pickled by a PyTorch before 1.11
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise EngineError(f"{where}: {name} holds numbers that are not finite", "take an earlier checkpoint")
    return model


def _class(path: str, where: str) -> type[nn.Module]:
    """A module class by its path, from modules that are loaded already; raises EngineError for all else."""
    current = _RENAMED.get(path, path)
    module, _, name = current.rpartition(".")
    found = getattr(sys.modules.get(module), name, None) if f"{module}.".startswith(_PLACES) else None
    if isinstance(found, type) and issubclass(found, nn.Module) and f"{found.__module__}.".startswith(_PLACES):
        return found
    raise EngineError(
        f"{where} needs {path}, which the installed ultralytics does not have",
        "it comes from a fork or another release of ultralytics: save it again with the current one",
    )


def _kind(model: Any, where: str) -> HeadKind:
    head = type(model.model[-1]).__name__
    kind = _HEADS.get(head)
    if kind is None or type(model).__name__ not in _MODELS:
        raise EngineError(
            f"{where} is ultralytics' {type(model).__name__} with the head {head}, which is not run here",
            "known are detection, instance segmentation and classification networks of YOLOv8, v10, 11 and 26",
        )
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None and first.in_channels != 3:
        raise EngineError(f"{where} wants pictures of {first.in_channels} channels", "only RGB pictures are fed here")
    return "yolo_boxes_end2end" if getattr(model.model[-1], "end2end", False) else kind


def _head_card(kind: HeadKind, classes: tuple[str, ...]) -> HeadCard:
    if kind == "classification":
        return HeadCard(name="classification", kind=kind, outputs=("classification",), classes=classes)
    outputs = ("boxes", "prototypes") if kind == "yolo_instances" else ("boxes",)
    return HeadCard(name="boxes", kind=kind, outputs=outputs, classes=classes)


def _classes(model: Any, where: str) -> tuple[str, ...]:
    """``names`` is a dict from 0 on, or a list; numbered where there is none."""
    head = model.model[-1]
    count = _class_count(head)
    names = getattr(model, "names", None)
    names = dict(enumerate(names)) if isinstance(names, list | tuple) else names
    if not names:
        return tuple(f"class {number}" for number in range(count))
    if not isinstance(names, dict) or set(names) != set(range(count)):
        raise EngineError(f"{where} does not name its {count} classes 0, 1, 2 …", "set model.names and save it again")
    listed = tuple(names[number] for number in range(count))
    if not all(map(is_name, listed)):
        raise EngineError(f"{where} has a class whose name is no short text", "set model.names and save it again")
    return listed


def _class_count(head: Any) -> int:
    """How many classes its last layer has; raises ValueError where that is not what the head says."""
    if hasattr(head, "linear"):
        count = len(head.linear.weight)
    else:
        levels = getattr(head, "cv3", None) or head.one2one_cv3  # fused ones without suppression keep only the latter
        count = len(levels[0][-1].weight)
        if type(head.nc) is not int or head.nc != count:
            raise ValueError("its number of classes is not that of its tensors")
    if not 1 <= count <= MOST_CLASSES:
        raise ValueError(f"it has {count} classes")
    return count


def _input(model: Any, content: Content, kind: HeadKind) -> InputCard:
    """Letterboxed RGB of 0 … 1; classifiers see the whole frame, stretched. The size is that of its training."""
    arguments = content.facts.get("train_args") or getattr(model, "args", None)
    arguments = arguments if isinstance(arguments, dict) else getattr(arguments, "__dict__", {})
    side = arguments.get("imgsz")
    sides: list[Any] = list(side) if isinstance(side, list | tuple) else [side]  # one number, or (height, width)
    if len(sides) not in (1, 2) or not all(type(each) is int and 0 < each <= LARGEST_SIDE for each in sides):
        sides = [224 if kind == "classification" else 640]
    return InputCard(fit="stretch" if kind == "classification" else "letterbox", size=(sides[-1], sides[0]))


def _report(model: Any, content: Content, card: Card) -> tuple[str, ...]:
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    text = model.yaml.get("yaml_file", "") if isinstance(getattr(model, "yaml", None), dict) else ""
    stem = Path(text).stem if is_name(text) and text.isprintable() else ""
    what = f"{type(model).__name__} ({stem or 'no name'})"
    lines = [f"ultralytics {what}, {millions:.2f} M parameters"]
    return (*lines, *card_lines(card, last_epoch(content.facts)), *content.notes)


def _import(where: str) -> None:
    """Imports ultralytics; raises EngineError where it is not installed."""
    try:
        with _undisturbed():
            import ultralytics.nn.tasks  # noqa: F401
    except ImportError as fault:
        raise EngineError(
            f"{where} is one of ultralytics, whose package is not installed or cannot be loaded ({fault})",
            'pip install -e ".[train,ultralytics]" in the checkout of roadstream',
        ) from fault


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps what ultralytics changes for the whole process when it is imported.

    That is torch.save, the number of OpenCV's threads, how numpy prints, warnings and the environment; its settings
    file goes to a folder that goes. The switches stay set: they are read later, too.
    """
    os.environ.update(_SWITCHES)
    environment = dict(os.environ)
    save, threads = torch.save, cv2.getNumThreads()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), np.printoptions():
        os.environ["YOLO_CONFIG_DIR"] = folder
        try:
            yield
        finally:
            torch.save = save
            cv2.setNumThreads(threads)
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)
