"""ultralytics' own predictor and ours: from the same file, BGR frames and thresholds the same result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.picture import Pixels
from contracts.prediction import InstanceMasks, Part
from contracts.protocols import Thresholds
from tests.engines.looking import boxes_in, frames_of, seen

TIE = 1e-3
"""A box whose score is that little above the threshold may be there on one side only; it is left out on both."""
THRESHOLDS = Thresholds(score=0.25, iou=0.5)


class Network(NamedTuple):
    """A file of the shared weights, ultralytics' word for what it does, and its input size."""

    file: str
    task: str
    size: int


SEGMENTS, BOXES = Network("yolov8n-seg-int8-320.onnx", "segment", 320), Network("yolov8n-fp32.onnx", "detect", 640)
CITY, MOTORWAY = ("mjpeg_city.avi", None, None), ("highway720_300.mp4", 16, (501, 283))
"""Clip, how many of its frames (every tenth) or all, and their size if not their own.

At most twice as large as the input, for larger ones are averaged here and sampled (INTER_LINEAR) there.
"""
Found = tuple[NDArray[Any], NDArray[np.bool_] | None]
"""Boxes (n, 6) x1 y1 x2 y2 score class; masks (n, height, width), None where the network has none."""


def theirs(weights: Path, network: Network, frames: list[Pixels], folder: Path) -> list[Found]:
    """What ultralytics sees in every frame, in a process of its own."""
    np.save(folder / "frames.npy", frames)
    words = (weights / network.file, *network[1:], folder, THRESHOLDS.score, THRESHOLDS.iou)
    command = [sys.executable, "-m", "tests.engines.ultralytics_predictor", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    found: list[Found] = []
    with np.load(folder / "found.npz") as written:
        for index, frame in enumerate(frames):
            boxes, shape = written[f"boxes {index}"], frame.shape[:2]
            bits = written[f"masks {index}"] if network.task == "segment" else None
            count = len(boxes) * shape[0] * shape[1]
            masks = None if bits is None else np.unpackbits(bits, count=count).astype(bool).reshape(-1, *shape)
            found.append((boxes, masks))
    return found


def ours(part: Part, shape: tuple[int, ...]) -> Found:
    """What we see in a frame; boxes with an empty mask are left out, as they do."""
    boxes = boxes_in(part)
    rows = np.column_stack([boxes.boxes, boxes.scores, boxes.class_ids])
    if not isinstance(part, InstanceMasks):
        return rows, None
    shown = [index for index in range(len(boxes)) if part.area(index)]
    masks = np.zeros((len(shown), *shape[:2]), bool)
    for mask, index in zip(masks, shown, strict=True):
        window = part.window(index)
        mask[window.top : window.top + window.height, window.left : window.left + window.width] = part.masks[index]
    return rows[shown], masks


class Worst:
    """The largest differences so far, and of how many boxes."""

    def __init__(self) -> None:
        self.boxes = 0
        self.pixels = self.score = 0.0
        self.mask = 1.0

    def add(self, one: Found, other: Found) -> None:
        """Counts a frame. Fails where a box that is no tie is there once only."""
        partner = _partners(one[0], other[0])
        for rows, places in ((one[0], partner), (other[0], _partners(other[0], one[0]))):
            chosen = places[rows[:, 4] > THRESHOLDS.score + TIE]
            assert (chosen >= 0).all(), "a box is there once only"
            assert len(set(chosen)) == len(chosen), "two boxes have the same partner"
        for place in np.flatnonzero(one[0][:, 4] > THRESHOLDS.score + TIE):
            self.boxes += 1
            apart = np.abs(one[0][place] - other[0][partner[place]])
            self.pixels, self.score = max(self.pixels, *apart[:4]), max(self.score, apart[4])
            if one[1] is not None and other[1] is not None:
                mask, their = one[1][place], other[1][partner[place]]
                self.mask = min(self.mask, np.count_nonzero(mask & their) / np.count_nonzero(mask | their))


def _partners(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.intp]:
    """For every box the nearest one of its class among the others; -1 where there is none of its class."""
    apart = np.abs(one[:, None, :4] - other[None, :, :4]).max(axis=2, initial=0)
    apart[one[:, None, 5] != other[None, :, 5]] = np.inf
    known = np.isfinite(apart).any(axis=1)
    places = np.full(len(one), -1)
    places[known] = apart[known].argmin(axis=1)
    return places


@pytest.mark.shared
@pytest.mark.parametrize(
    ("network", "clip", "least"),
    [(SEGMENTS, CITY, 100), (BOXES, CITY, 100), (SEGMENTS, MOTORWAY, 20), (BOXES, MOTORWAY, 20)],
    ids=["masks, city", "boxes, city", "masks, motorway", "boxes, motorway"],
)
def test_ultralytics_own_predictor_sees_the_same(
    shared: Path, tmp_path: Path, network: Network, clip: tuple[str, int | None, Any], least: int
) -> None:
    footage, count, size = clip
    frames = frames_of(shared / "clips" / footage, count, 10 if count else 1, size)
    parts = seen(shared / "weights" / network.file, "onnxruntime", frames, THRESHOLDS)
    worst = Worst()
    for index, their in enumerate(theirs(shared / "weights", network, frames, tmp_path)):
        worst.add(ours(parts[index], frames[index].shape), their)
    assert worst.pixels <= 1
    assert worst.score <= 1e-3
    assert worst.mask >= 0.98
    assert worst.boxes >= least
