"""A set that is drawn, a network of 30 000 weights, and trainings of seconds; as a program: one training in a process.

python -m tests.training.loop.tiny CONFIG.yaml [--resume] [--save-every SECONDS] [--plain-loss]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from contracts.errors import RoadStreamError
from sources.datasets.open import LAYOUTS
from sources.datasets.sample import Sample
from training.config import SetConfig, TrainConfig
from training.data.batch import Batch
from training.loop.train import train
from training.networks.network import Network
from training.recipes.open import RECIPES
from training.recipes.recipe import LossOptions, Recipe

WIDTH, HEIGHT = 64, 32
CLASSES = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line")}


@dataclass(frozen=True)
class TinySet:
    """Noise with a green road and a bright line on it, at places drawn by seed and index. groups: a and b in turn.

    labelled: whether the lines are in the labels.
    """

    count: int
    seed: int
    classes: Mapping[str, tuple[str, ...]]
    labelled: bool = True

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple("ab"[index % 2] for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        generator = np.random.default_rng((self.seed, index))
        picture = generator.integers(0, 60, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        drivable, lane = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        left = int(generator.integers(4, WIDTH - 32))
        drivable[HEIGHT // 2 :, left : left + 28] = 1
        lane[HEIGHT // 2 :, left : left + 4] = 1
        picture[drivable == 1, 1] += 120
        picture[lane == 1] = 230
        return Sample(f"{index}", picture, masks={"drivable": drivable, "lane": lane * np.uint8(self.labelled)})


def open_set(config: SetConfig) -> TinySet:
    """Training and validation see different pictures."""
    seed = ("train", "val", "test").index(config.split)
    return TinySet(config.most or 12, seed, config.classes or CLASSES, labelled=config.path != "no lines")


LAYOUTS["tiny"] = __name__


def tiny_config(output: Path, **changes: Any) -> TrainConfig:
    """Three epochs of three steps."""
    plain: dict[str, Any] = {
        "family": "twinlitenetplus",
        "variant": "nano",
        "input": {"size": [WIDTH, HEIGHT]},
        "train": [{"path": "tiny", "layout": "tiny"}],
        "val": [{"path": "tiny", "layout": "tiny", "split": "val", "most": 4}],
        "epochs": 3,
        "batch": 4,
        "workers": 0,
        "device": "cpu",
        "threads": 1,
        "output": str(output),
    }
    return TrainConfig.model_validate({**plain, **changes})


class PlainRecipe(Recipe):
    """Cross entropy, a mean over all pixels: that of two halves of a batch is that of the whole."""

    options = LossOptions
    mask_heads = tuple(CLASSES)

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        scores = network(images)
        return {head: nn.functional.cross_entropy(getattr(scores, head), batch.masks[head].long()) for head in CLASSES}

    @staticmethod
    def build(network: Network, options: LossOptions) -> Recipe:
        return PlainRecipe()


PLAIN = f"{__name__}.PlainRecipe"


def learned(output: Path) -> dict[str, torch.Tensor]:
    """Every number that the state of a training holds, by name."""
    state = torch.load(output / "resume.pt", weights_only=True)
    found = {"step": torch.tensor([state["standing"]["epoch"], state["standing"]["step"]])}

    def collect(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                collect(each, f"{name}.{key}")
        elif isinstance(value, torch.Tensor):
            found[name] = value

    collect(state["learner"], "learner")
    return found


def assert_same(one: Path, other: Path) -> None:
    """Both trainings stand at the same place, to the bit."""
    first, second = learned(one), learned(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--save-every", type=float, default=1000.0)
    parser.add_argument("--plain-loss", action="store_true")
    parsed = parser.parse_args()
    if parsed.plain_loss:
        RECIPES["twinlitenetplus"] = PLAIN
    config = TrainConfig.model_validate(yaml.safe_load(Path(parsed.config).read_text(encoding="utf-8")))
    try:
        train(config, resume=parsed.resume, say=lambda line: print(line, flush=True), save_every_s=parsed.save_every)
    except KeyboardInterrupt:
        return 130
    except RoadStreamError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
