"""A short training of every family through the whole loop: its loss falls, and it knows more than a constant does.

Held-out frames come from drives (seeds) that training never sees. The constants know all of the training labels and
are computed here, by code that shares nothing with the metrics of the loop.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sources.datasets.sample import Sample
from tests.training.toy_sets import HEIGHT, MAP_CLASSES, WIDTH, drives, write_class_maps, write_stripes
from training.config import SetConfig, TrainConfig
from training.data.open import open_set
from training.loop.train import train

Sets = tuple[list[SetConfig], list[SetConfig]]
Constant = Callable[[Sequence[Sample], Sequence[Sample]], float]
"""(training samples, held-out samples) → the best figure of predictors that say the same of every picture."""


# -- what can be known without looking ---------------------------------------------------------------------------------


def best_mask(head: str) -> Constant:
    """IoU of all foreground and of the pixels that are foreground in at least some share of the training pictures.

    Lane lines at this width have a tolerance of 0.6 px, which is none.
    """

    def figure(train: Sequence[Sample], held_out: Sequence[Sample]) -> float:
        often = np.mean([sample.masks[head] == 1 for sample in train], axis=0)
        truth = np.array([sample.masks[head] == 1 for sample in held_out])
        masks = [often >= share for share in (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)]
        return max(float((truth & mask).sum() / max(1, (truth | mask).sum())) for mask in masks)

    return figure


def best_map(train: Sequence[Sample], held_out: Sequence[Sample]) -> float:
    """Mean IoU of each pixel's most frequent class over the training set."""
    ids = range(len(MAP_CLASSES))
    known, truth = (np.array([sample.masks["classes"] for sample in samples]) for samples in (train, held_out))
    often = np.array([(known == each).sum(0) for each in ids]).argmax(0)
    shared = [((truth == each) & (often == each)).sum() for each in ids]
    either = [((truth == each) | (often == each)).sum() for each in ids]
    return float(np.mean(np.divide(shared, either)))


def best_label(train: Sequence[Sample], held_out: Sequence[Sample]) -> float:
    """Share of the class that is the most frequent one in training."""
    labels = [sample.label for sample in train]
    frequent = max(set(labels), key=labels.count)
    return float(np.mean([sample.label == frequent for sample in held_out]))


def best_boxes(train: Sequence[Sample], held_out: Sequence[Sample]) -> float:
    """AP at IoU ½ of the training boxes that most others are like, the more the surer; the best of several numbers."""
    known = np.concatenate([sample.boxes for sample in train]).astype(float)
    left, chosen = known, []
    while len(left):
        likes = overlaps(known, left) >= 0.5
        best = int(likes.sum(1).argmax())
        chosen.append((known[best], likes[best].mean()))
        left = left[~likes[best]] if likes[best].any() else left[:0]
    return max(precision_area([box for box, _ in chosen[:most]], held_out) for most in (1, 2, 4, 8, 16, 32, 100))


def precision_area(boxes: Sequence[NDArray[Any]], samples: Sequence[Sample]) -> float:
    """Area below precision over recall where every picture is given these boxes, the surest first."""
    free = [np.ones(len(sample.boxes), bool) for sample in samples]
    hits: list[bool] = []
    for box in boxes:
        for sample, is_free in zip(samples, free, strict=True):
            alike = overlaps(box[None], sample.boxes.astype(float))[0] * is_free
            hit = bool((alike >= 0.5).any())
            if hit:
                is_free[alike.argmax()] = False
            hits.append(hit)
    found = np.cumsum(hits)
    precision = np.maximum.accumulate((found / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((precision * np.array(hits)).sum() / sum(map(len, free)))


def overlaps(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """IoU of every box with every other, float64 (N, M)."""
    sides = np.minimum(one[:, None, 2:], other[None, :, 2:]) - np.maximum(one[:, None, :2], other[None, :, :2])
    shared = sides.clip(0).prod(2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared), np.float64)


# -- the trainings -----------------------------------------------------------------------------------------------------


def crates(_folder: Path) -> Sets:
    return drives(range(1, 5), 12, "crates"), drives(range(21, 23), 10, "crates")


def rendered(_folder: Path) -> Sets:
    return drives(range(1, 5), 12, "views"), drives(range(21, 23), 10, "views")


def class_maps(folder: Path) -> Sets:
    for split, sets in zip(("train", "val"), rendered(folder), strict=True):
        write_class_maps(folder, split, sets)
    given = {"path": str(folder), "layout": "ddrnet", "classes": {"classes": MAP_CLASSES}}
    return [SetConfig.model_validate({**given, "split": "train"})], [
        SetConfig.model_validate({**given, "split": "val"})
    ]


def stripes(folder: Path) -> Sets:
    write_stripes(folder, "train", 16, seed=1)
    write_stripes(folder, "val", 10, seed=2)
    given = {"path": str(folder), "layout": "class_folders"}
    return [SetConfig.model_validate({**given, "split": "train"})], [
        SetConfig.model_validate({**given, "split": "val"})
    ]


@dataclass(frozen=True)
class Case:
    """A family, its sets, and head → figure → what a constant reaches in it."""

    family: str
    variant: str
    sets: Callable[[Path], Sets]
    constants: dict[str, Constant]
    epochs: int
    rate: float
    size: tuple[int, int] = (WIDTH, HEIGHT)
    loss: dict[str, Any] = field(default_factory=dict)


MASKS = {"drivable/iou": best_mask("drivable"), "lane/tolerant_iou": best_mask("lane")}
EAGER = {"lane": 2, "lane_false": 0.1, "alpha": 0.75}
"""A missed line weighs more than a false one; with the authors' weights no line appeared within these few steps."""
CASES = (
    Case("ayolom", "p", crates, {"boxes/map50": best_boxes, **MASKS}, 9, 4e-3),
    Case("roadnet", "n", crates, {"boxes/map50": best_boxes, **MASKS}, 9, 4e-3),
    Case("twinlitenet", "standard", rendered, MASKS, 10, 4e-3, loss=EAGER),
    Case("twinlitenetplus", "nano", rendered, MASKS, 10, 6e-3, loss=EAGER),
    Case("ddrnet", "23-slim", class_maps, {"classes/miou": best_map}, 6, 2e-3),
    Case("classifier", "test_resnet", stripes, {"label/top1": best_label}, 10, 3e-3, (64, 64)),
)


PLAIN = dict.fromkeys(("rotate_deg", "brightness", "contrast", "hue", "saturation", "shift"), 0)
NEVER = dict.fromkeys(("blur", "noise", "rain", "shadow", "night", "compression"), 0)


def configured(case: Case, sets: Sets, output: Path, seed: int) -> TrainConfig:
    """Small batches of pictures as they are: what can be learnt from few of them in few steps."""
    flip = 0.0 if case.family == "classifier" else 0.5  # a mirrored stripe that falls is one that rises
    return TrainConfig.model_validate(
        {
            "family": case.family,
            "variant": case.variant,
            "input": {"size": case.size},
            "train": sets[0],
            "val": sets[1],
            "augment": {**PLAIN, **NEVER, "flip": flip, "scale": (1.0, 1.0)},
            "loss": case.loss,
            "epochs": case.epochs,
            "batch": 4,
            "optimizer": {"learning_rate": case.rate},
            "ema": 0.9,
            "validate_every": case.epochs,
            "seed": seed,
            "workers": 0,
            "device": "cpu",
            "threads": 1,
            "output": output,
        }
    )


def samples_of(configs: Sequence[SetConfig]) -> list[Sample]:
    return [each[index] for each in map(open_set, configs) for index in range(len(each))]


def history(case: Case, sets: Sets, output: Path, seed: int) -> list[dict[str, str]]:
    """What the loop wrote of each epoch."""
    train(configured(case, sets, output, seed), resume=False, say=lambda _line: None)
    with (output / "history.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.family)
def test_a_short_training_beats_what_is_known_without_looking(case: Case, tmp_path: Path) -> None:
    sets = case.sets(tmp_path / "set")
    first, *_, last = history(case, sets, tmp_path / "out", seed=0)
    assert float(last["loss/all"]) < 0.8 * float(first["loss/all"])
    known, held_out = samples_of(sets[0]), samples_of(sets[1])
    for name, constant in case.constants.items():
        assert float(last[name]) > 1.2 * constant(known, held_out), name
