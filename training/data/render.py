"""Frames of the synthetic drive as files in the layout ``drive``: a labelled set to try everything on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from contracts.errors import OutputError
from contracts.picture import Pixels
from training.data.sample import Sample
from training.data.synthetic import SyntheticSet
from training.files import written

_QUALITY = 92
"""Of JPEG; what cameras that record pictures use."""


def render(samples: SyntheticSet, folder: Path, split: str, progress: Callable[[str], None]) -> int:
    """Writes every frame of a drive below ``folder``: images/, drivable/, lane/, boxes/; returns how many.

    Raises UsageError where a file is there already, OutputError where one cannot be written.
    """
    for index in range(len(samples)):
        sample = samples[index]
        name = sample.name.replace("/", "_")
        _picture(folder / "images" / split / f"{name}.jpg", sample.picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        for head, mask in sample.masks.items():
            _picture(folder / head / split / f"{name}.png", mask, [])
        _text(folder / "boxes" / split / f"{name}.txt", _lines(sample))
        if (index + 1) % 50 == 0:
            progress(f"{index + 1} of {len(samples)} frames written")
    return len(samples)


def _lines(sample: Sample) -> str:
    """Per box: class cx cy w h score, as shares of the picture; the truth is sure."""
    height, width = sample.picture.shape[:2]
    corners = sample.boxes / np.array([width, height, width, height], np.float32)
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    rows = zip(sample.class_ids, np.concatenate([centres, sizes], axis=1), strict=True)
    return "".join(f"{kind} {' '.join(f'{value:.6f}' for value in row)} 1.0\n" for kind, row in rows)


def _picture(path: Path, pixels: Pixels, how: list[int]) -> None:
    done, data = cv2.imencode(path.suffix, pixels, how)
    if not done:
        raise OutputError(f"cannot encode {path}", "choose another size")
    _ready(path)
    with written(path, overwrite=False) as part:
        part.write_bytes(data.tobytes())


def _text(path: Path, text: str) -> None:
    _ready(path)
    with written(path, overwrite=False) as part:
        part.write_text(text, encoding="utf-8")


def _ready(path: Path) -> None:
    """Its folder. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"cannot make {path.parent}: {fault.strerror}", "choose another folder") from fault
