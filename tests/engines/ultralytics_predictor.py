"""Run as a program of its own: ultralytics' predictor on BGR frames, by its own means.

``python -m tests.engines.ultralytics_predictor NETWORK TASK SIZE FOLDER SCORE IOU``. FOLDER has ``frames.npy``, uint8
(frames, height, width, 3), and gets ``found.npz``, for each frame N: ``boxes N`` (n, 6), x1 y1 x2 y2 score class, and
for TASK "segment" ``masks N``, the n masks at the frame's resolution, 8 pixels a byte (``packbits`` over all of them).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.utils.nms import TorchNMS


def main(*words: str) -> None:
    """See the module."""
    network, task, size, folder, score, iou = words
    _have_torchvision()
    torch.Tensor.argsort = _argsort  # type: ignore[method-assign,assignment]
    model = YOLO(network, task=task)
    options = {"imgsz": int(size), "conf": float(score), "iou": float(iou), "retina_masks": True, "device": "cpu"}
    found: dict[str, Any] = {}
    for index, frame in enumerate(np.load(Path(folder) / "frames.npy")):
        result = model.predict(frame, verbose=False, **options)[0]
        found[f"boxes {index}"] = result.boxes.data.numpy()
        if task == "segment":
            masks = result.masks
            found[f"masks {index}"] = np.packbits([] if masks is None else masks.data.numpy().astype(bool))
    np.savez(Path(folder) / "found.npz", **found)


_ARGSORT = torch.Tensor.argsort


def _argsort(values: torch.Tensor, dim: int = -1, descending: bool = False) -> torch.Tensor:
    return _ARGSORT(values, stable=True, dim=dim, descending=descending)


def _have_torchvision() -> None:
    """Where torchvision was built for another torch, ultralytics' own suppression, which is the same, stands in."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        ops, stand_in = ModuleType("torchvision.ops"), ModuleType("torchvision")
        ops.nms = TorchNMS.nms  # type: ignore[attr-defined]
        stand_in.ops = ops  # type: ignore[attr-defined]
        sys.modules["torchvision"] = stand_in


if __name__ == "__main__":
    main(*sys.argv[1:])
