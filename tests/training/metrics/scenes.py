"""Made-up pictures for the measures: what is labelled, what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.fit import Stretch
from contracts.prediction import Detections, Mask
from sources.datasets.sample import Sample

SIZE = (64, 48)
"""Width, height."""
CLASSES = ("person", "car", "bus")


def sample(
    name: str = "a",
    boxes: Sequence[Sequence[float]] = (),
    ids: Sequence[int] = (),
    counts: Sequence[bool] | None = None,
    *,
    masks: Mapping[str, NDArray[np.uint8]] | None = None,
    label: int | None = None,
) -> Sample:
    width, height = SIZE
    return Sample(
        name,
        np.zeros((height, width, 3), np.uint8),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(ids, np.int64),
        np.array([True] * len(boxes) if counts is None else counts, np.bool_),
        masks or {},
        label,
    )


def seen(
    boxes: Sequence[Sequence[float]] = (),
    ids: Sequence[int] = (),
    scores: Sequence[float] = (),
    names: tuple[str, ...] = CLASSES,
) -> Detections:
    order = np.argsort(-np.array(scores, np.float32), kind="stable")
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array(scores, np.float32)[order],
        np.array(ids, np.int32)[order],
        names,
    )


def mask(data: NDArray[np.uint8]) -> Mask:
    """A predicted mask at the size of its frame."""
    height, width = data.shape
    return Mask(data, Stretch(width, height, width, height), "head")


def random_scene(rng: np.random.Generator, name: str) -> tuple[Sample, Detections]:
    """Some labelled boxes, a region that does not count, and predictions near them and elsewhere.

    Scores are all different: of equal ones COCO's order is its own.
    """
    count = int(rng.integers(0, 6))
    boxes = _boxes(rng, count)
    near = boxes[rng.random(count) < 0.8] + rng.normal(0, 1.5, 4)
    found = np.concatenate([near, near + 1, _boxes(rng, int(rng.integers(0, 4)))])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    ids = rng.integers(0, 3, count)
    region = _boxes(rng, int(rng.integers(0, 2)))
    truth = sample(
        name,
        np.concatenate([boxes, region]).tolist(),
        [*ids.tolist(), *[99] * len(region)],
        [True] * count + [False] * len(region),
    )
    found_ids = rng.integers(0, 3, len(found))
    scores = rng.permutation(np.linspace(0.01, 0.99, 1000))[: len(found)] + rng.random() * 1e-4
    return truth, seen(found.tolist(), found_ids.tolist(), scores.tolist())


def _boxes(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    corners = rng.uniform((0, 0), (48, 32), (count, 2))
    return np.concatenate([corners, corners + rng.uniform(4, 16, (count, 2))], axis=1)
