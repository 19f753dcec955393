"""Any labelled set as files in the layout ``drive``; of the synthetic drive, a set to try everything on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from contracts.errors import OutputError, UsageError
from contracts.picture import Pixels
from sources.datasets.drive import CLASSES
from sources.datasets.sample import BOXES, Sample
from training.data.progress import Say, followed
from training.data.view import View
from training.data.writing import put_bytes, put_mask, put_text

_QUALITY = 92
"""Of JPEG; what cameras that record pictures use."""


def to_drive(sets: dict[str, View], output: Path, say: Say) -> None:
    """images/, drivable/, lane/ and boxes/, each with the splits; pictures are encoded anew.

    Raises UsageError where the box classes are others than the layout has, SourceError, OutputError.
    """
    for split, samples in sets.items():
        named = samples.classes.get(BOXES, CLASSES[BOXES])
        if tuple(named) != CLASSES[BOXES]:
            raise UsageError(
                f"the layout drive has the classes {', '.join(CLASSES[BOXES])}, not {', '.join(named)}",
                "convert --to yolo keeps any classes",
            )
        if not CLASSES.keys() & samples.classes.keys():
            raise UsageError(
                f"of {', '.join(CLASSES)} the set has none, it has {', '.join(samples.classes)}",
                "the layout drive cannot say that: leave the set as it is",
            )
        each = (samples[index] for index in range(len(samples)))
        for sample in followed(each, len(samples), f"{split} to drive", say):
            _write(sample, output, split)


def _write(sample: Sample, folder: Path, split: str) -> None:
    name = sample.name.replace("/", "_")
    _picture(folder / "images" / split / f"{name}.jpg", sample.picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    for head in CLASSES.keys() & sample.masks.keys():
        put_mask(folder / head / split / f"{name}.png", sample.masks[head])
    if not (len(sample.boxes) == 1 and _is_unlabelled(sample)):
        put_text(folder / "boxes" / split / f"{name}.txt", _lines(sample))


def _is_unlabelled(sample: Sample) -> bool:
    """Whether its one region that does not count is all of it."""
    height, width = sample.picture.shape[:2]
    return bool(not sample.counts[0] and np.array_equal(sample.boxes[0], (0, 0, width, height)))


def _lines(sample: Sample) -> str:
    """Per box: class cx cy w h score, as shares of the picture; what does not count has score 0."""
    height, width = sample.picture.shape[:2]
    corners = sample.boxes / np.array([width, height, width, height], np.float32)
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    kinds = np.where(sample.counts, sample.class_ids, 0)  # of what does not count it may be one the layout lacks
    rows = zip(kinds, np.concatenate([centres, sizes], axis=1), sample.counts, strict=True)
    return "".join(
        f"{kind} {' '.join(f'{value:.6f}' for value in row)} {1.0 if counts else 0.0}\n" for kind, row, counts in rows
    )


def _picture(path: Path, pixels: Pixels, how: list[int]) -> None:
    done, data = cv2.imencode(path.suffix, pixels, how)
    if not done:
        raise OutputError(f"cannot encode {path}", "choose another size")
    put_bytes(path, data.tobytes())
