"""Run as a program of its own: ultralytics builds, saves and exports its networks, by its own means.

``python -m tests.training.ultralytics_reference FOLDER`` leaves NAME.pt (as its trainer leaves it) and NAME.onnx.
"""

from __future__ import annotations

import copy
import datetime as dt
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics import __version__
from ultralytics.engine.exporter import Exporter
from ultralytics.nn import tasks
from ultralytics.utils import DEFAULT_CFG_DICT, IterableSimpleNamespace

from tests.training.handmade import pictures

SIZE = (160, 128)
NETWORKS = {
    "yolov8n": tasks.DetectionModel,
    "yolov8n-seg": tasks.SegmentationModel,
    "yolov10n": tasks.DetectionModel,
    "yolo11n-seg": tasks.SegmentationModel,
    "yolo26n": tasks.DetectionModel,
    "yolov8n-cls": tasks.ClassificationModel,
    "yolov8n-pose": tasks.PoseModel,
}
STRIPPED = ("yolov8n-seg", "yolov10n")
"""What ``strip_optimizer`` was run on: best.pt and last.pt of a training that ended."""
END_TO_END = ("yolov10n", "yolo26n")
"""Exported with their one-to-one heads (nms=False); ultralytics' default is the head whose boxes are suppressed."""


def built(name: str) -> nn.Module:
    """A network from its yaml with random weights, and batch norms' statistics as a picture leaves them.

    Drawn statistics would let the picture drown: every place would get the same scores.
    """
    torch.manual_seed(len(name))
    model: nn.Module = NETWORKS[name](f"{name}.yaml", verbose=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1
        elif isinstance(module, nn.Conv2d) and module.bias is not None:  # the last one of a branch of the head
            nn.init.normal_(module.weight, 0, 1 / module.weight[0].numel() ** 0.5)
            nn.init.normal_(module.bias, -2, 1)
    with torch.no_grad():
        model.train()(torch.from_numpy(pictures(8, SIZE)))
    return model


def save(name: str, model: nn.Module, path: Path) -> None:
    """The dict that ultralytics' trainer writes, half weights and all."""
    arguments = {**DEFAULT_CFG_DICT, "model": f"{name}.yaml", "imgsz": SIZE[0], "task": "detect"}
    half: Any = copy.deepcopy(model).half()
    half.args = arguments if name in STRIPPED else IterableSimpleNamespace(**arguments)
    trained = {"model": half, "ema": None} if name in STRIPPED else {"model": None, "ema": half}
    facts = {"epoch": -1 if name in STRIPPED else 41, "best_fitness": None, "updates": None, "optimizer": None}
    date = dt.datetime(2026, 1, 1).isoformat()
    torch.save({**facts, **trained, "train_args": arguments, "date": date, "version": __version__}, path)


def main(folder: Path) -> None:
    """Writes every network; warnings of ultralytics' exporter are its own business."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in NETWORKS:
        path = folder / f"{name}.pt"
        save(name, built(name), path)
        if name != "yolov8n-pose":
            model, _ = tasks.load_checkpoint(path)
            options = {"imgsz": SIZE[::-1], "batch": 1, "nms": False if name in END_TO_END else None}
            Exporter(overrides={"format": "onnx", "simplify": False, "opset": 18, **options})(model=model)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
