"""Pictures in which the labels can be seen: a coloured rectangle where the box is and where the mask says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.datasets.sample import Sample
from training.augment.options import AugmentOptions

COLOUR = (20, 40, 240)
OFF = AugmentOptions(
    flip=0, scale=(1, 1), shift=0, rotate_deg=0, brightness=0, contrast=0, hue=0, saturation=0, blur=0, noise=0, rain=0,
    shadow=0, night=0, compression=0,
)  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A SampleSet of samples that lie in memory."""

    samples: tuple[Sample, ...]

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"boxes": ("car",), "road": ("background", "road")}

    @property
    def groups(self) -> tuple[str, ...]:
        return ("all",) * len(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def painted(width: int, height: int, box: tuple[int, int, int, int], *, counts: bool = True, label: int = 1) -> Sample:
    """Green all over but for the box, which is red."""
    left, top, right, bottom = box
    picture = np.full((height, width, 3), (40, 200, 60), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    picture[top:bottom, left:right] = COLOUR
    mask[top:bottom, left:right] = 1
    boxes = np.array([box], np.float32)
    return Sample(f"{box}", picture, boxes, np.array([3]), np.array([counts]), {"road": mask}, label)


def extent(where: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """x1 y1 x2 y2 of what is True; None where nothing is."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def is_red(picture: Pixels) -> NDArray[np.bool_]:
    return np.asarray((picture[..., 2] > 130) & (picture[..., 1] < 118))


def noisy(width: int, height: int, seed: int = 0) -> Pixels:
    """Smooth enough that bilinear sampling in slightly other places shows little difference."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.float64)
    rows = np.linspace(0, 3, height)[:, None], np.linspace(0, 3, width)[None]
    top, left = rows[0].astype(int).clip(0, 2), rows[1].astype(int).clip(0, 2)
    down, right = (rows[0] - top)[..., None], (rows[1] - left)[..., None]
    upper = coarse[top, left] * (1 - right) + coarse[top, left + 1] * right
    lower = coarse[top + 1, left] * (1 - right) + coarse[top + 1, left + 1] * right
    return np.asarray((upper * (1 - down) + lower * down).round(), np.uint8)
