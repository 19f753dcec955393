"""Small labelled sets for trainings of seconds: views of drives, crates, class maps, stripes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from sources.datasets import synthetic
from sources.datasets.open import LAYOUTS
from sources.datasets.sample import BOXES, Sample, SampleSet
from training.config import SetConfig

WIDTH, HEIGHT = 128, 64
STRIPES = ("falling", "rising", "upright")
MAP_CLASSES = ("background", "drivable", "lane")


def drives(seeds: range, frames: int, layout: str) -> list[SetConfig]:
    """A highway drive per seed, its frames two seconds apart. layout: ``views`` or ``crates``."""
    paths = [f"synthetic:highway?seed={seed}&size=192x96&seconds={2 * frames}&fps=0.5" for seed in seeds]
    return [SetConfig.model_validate({"path": path, "layout": layout}) for path in paths]


# -- the rendered drive ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Views:
    """A rendered drive as a camera sees it that looks elsewhere each time: 128x64 pixels from somewhere in the frame.

    So what is true at a pixel on the whole is little help. crates: one or two stand before the camera, the only boxes
    and cut out of the masks; the drive's own vehicles are a few pixels large and stay, as things that are no crate.
    """

    drive: SampleSet
    crates: bool

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        masks = {head: names for head, names in self.drive.classes.items() if head != BOXES}
        return {**masks, BOXES: ("crate",)} if self.crates else masks

    @property
    def groups(self) -> tuple[str, ...]:
        return self.drive.groups

    def __len__(self) -> int:
        return len(self.drive)

    def __getitem__(self, index: int) -> Sample:
        sample = self.drive[index]
        random = np.random.default_rng(list(sample.name.encode()))
        left, top = int(random.integers(65)), int(random.integers(33))
        view = slice(top, top + HEIGHT), slice(left, left + WIDTH)
        picture = sample.picture[view].copy()
        masks = {head: mask[view].copy() for head, mask in sample.masks.items()}
        boxes = _crates(random) if self.crates else np.zeros((0, 4), np.int64)
        for box in boxes:
            _paint_crate(picture, box, random)
            for mask in masks.values():
                mask[_inside(box)] = 0
        count = len(boxes)
        return Sample(
            sample.name, picture, boxes.astype(np.float32), np.zeros(count, np.int64), np.ones(count, np.bool_), masks
        )


def _crates(random: np.random.Generator) -> NDArray[np.int64]:
    """One or two boxes, int64 (N, 4), in different halves of the picture."""
    boxes = np.zeros((int(random.integers(1, 3)), 4), np.int64)
    for box, left in zip(boxes, random.permutation([0, WIDTH // 2]), strict=False):
        sides = random.integers(20, 40), random.integers(18, 32)
        box[:2] = left + random.integers(0, WIDTH // 2 - sides[0]), random.integers(8, HEIGHT - sides[1])
        box[2:] = box[:2] + sides
    return boxes


def _inside(box: NDArray[np.int64]) -> tuple[slice, slice]:
    return slice(box[1], box[3]), slice(box[0], box[2])


def _paint_crate(picture: Pixels, box: NDArray[np.int64], random: np.random.Generator) -> None:
    """Bright yellow with a dark rim, each a little different."""
    colour = np.array([30, 190, 230]) + random.integers(-25, 25, 3)
    picture[_inside(box)] = 25
    picture[_inside(box + np.array([2, 2, -2, -2]))] = colour


def open_set(config: SetConfig) -> Views:
    """The layouts ``views`` and ``crates``; the path is the drive's address."""
    return Views(synthetic.open_set(config), crates=config.layout == "crates")


LAYOUTS |= {"views": __name__, "crates": __name__}


# -- sets that lie on disk ---------------------------------------------------------------------------------------------


def write_class_maps(root: Path, split: str, sets: list[SetConfig]) -> None:
    """The masks of drives as maps of MAP_CLASSES, in the layout ``ddrnet``."""
    for number, config in enumerate(sets):
        drive = open_set(config)
        for kind in ("image", "labelmap"):
            (root / kind / split / f"drive{number}").mkdir(parents=True)
        for index in range(len(drive)):
            sample, name = drive[index], f"{split}/drive{number}/{index}.png"
            labels = np.where(sample.masks["lane"] == 1, 2, sample.masks["drivable"])
            cv2.imwrite(str(root / "image" / name), sample.picture)
            cv2.imwrite(str(root / "labelmap" / name), labels)


def write_stripes(root: Path, split: str, count: int, seed: int) -> None:
    """Per class of STRIPES so many pictures in the layout ``class_folders``: their direction tells, no colour does."""
    random = np.random.default_rng(seed)
    for name in STRIPES:
        folder = root / split / name
        folder.mkdir(parents=True)
        for index in range(count):
            cv2.imwrite(str(folder / f"{index}.png"), _striped(name, random))


def _striped(name: str, random: np.random.Generator, side: int = 64) -> Pixels:
    """Waves between two random colours, a little turned, with noise."""
    angle = np.deg2rad({"falling": 45.0, "rising": 135.0, "upright": 0.0}[name] + random.uniform(-12, 12))
    rows, columns = np.mgrid[:side, :side]
    along = columns * np.cos(angle) - rows * np.sin(angle)
    share = np.sin(along * 2 * np.pi / random.uniform(8, 14) + random.uniform(0, 6))[:, :, None] / 2 + 0.5
    first, second = random.integers(0, 100, 3), random.integers(150, 255, 3)
    waves = first * share + second * (1 - share) + random.normal(0, 12, (side, side, 3))
    return np.asarray(waves.clip(0, 255), np.uint8)
