"""Mosaic: four samples joined into one (Bochkovskiy et al., "YOLOv4", 2020, section 3.3).

Put together here from four warped samples: albumentations' Mosaic cuts and scales pictures that are scaled already,
drops slivers of boxes where we keep them as regions that do not count, and leaves masks 0 where there is no picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.fit import Window as Tile
from sources.datasets.sample import UNCOUNTED, Sample

__all__ = ["Tile", "joined", "tiles"]


def tiles(size: tuple[int, int], generator: np.random.Generator) -> list[Tile]:
    """Four rectangles that meet in a random place of the middle half and fill ``size`` (width, height)."""
    width, height = size
    x, y = (round(float(generator.uniform(0.25, 0.75)) * side) for side in size)
    return [
        Tile(left, top, right - left, bottom - top)
        for top, bottom in ((0, y), (y, height))
        for left, right in ((0, x), (x, width))
    ]


def joined(samples: Sequence[Sample], places: Sequence[Tile], size: tuple[int, int]) -> Sample:
    """Samples, each as large as its place, as one of ``size``; named after the first.

    A head that one of them lacks does not count there. The label stays where all have the same.
    """
    width, height = size
    picture = np.empty((height, width, 3), np.uint8)
    heads = {head for sample in samples for head in sample.masks}
    masks = {head: np.full((height, width), UNCOUNTED, np.uint8) for head in sorted(heads)}
    for sample, place in zip(samples, places, strict=True):
        part = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        picture[part] = sample.picture
        for head, mask in sample.masks.items():
            masks[head][part] = mask
    moved = [
        sample.boxes + np.array([place.left, place.top] * 2, np.float32)
        for sample, place in zip(samples, places, strict=True)
    ]
    labels = {sample.label for sample in samples}
    return Sample(
        name=samples[0].name,
        picture=picture,
        boxes=np.concatenate(moved),
        class_ids=np.concatenate([sample.class_ids for sample in samples]),
        counts=np.concatenate([sample.counts for sample in samples]),
        masks=masks,
        label=labels.pop() if len(labels) == 1 else None,
    )
