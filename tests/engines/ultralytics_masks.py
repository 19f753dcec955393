"""Run as a program of its own: ultralytics' predictor on BGR frames, by its own means.

``python -m tests.engines.ultralytics_masks NETWORK FRAMES.npz OUT.npz SCORE IOU``: for every frame NAME of the first
file, ``boxes NAME`` (n, 6) and ``masks NAME`` bool (n, height, width), at the frame's resolution, in the second.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.utils.nms import TorchNMS


def main(network: str, frames: str, out: str, score: str, iou: str) -> None:
    """See the module."""
    _have_torchvision()
    torch.Tensor.argsort = _argsort  # type: ignore[method-assign,assignment]
    model = YOLO(network, task="segment")
    found: dict[str, Any] = {}
    with np.load(frames) as pictures:
        for name in pictures.files:
            frame = pictures[name]
            result = model.predict(
                frame, imgsz=320, conf=float(score), iou=float(iou), retina_masks=True, verbose=False, device="cpu"
            )[0]
            masks = result.masks
            found[f"boxes {name}"] = result.boxes.data.numpy()
            shape = (0, *frame.shape[:2])
            found[f"masks {name}"] = np.zeros(shape, bool) if masks is None else masks.data.numpy().astype(bool)
    np.savez(out, **found)


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
