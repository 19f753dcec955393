"""Sets joined and weighted, samples fed by processes, a step that is skipped: faults and figures."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import Dataset

from contracts.errors import EngineError, RoadStreamError, SourceError, UsageError
from tests.conftest import ROOT
from tests.training.loop.tiny import PlainRecipe, TinySet, tiny_config
from training.config import SetConfig
from training.data.batch import Batch, collate
from training.loop.faults import explained
from training.loop.feed import loaded, named_worker_deaths
from training.loop.learner import MOST_SKIPPED, Learner
from training.loop.processes import Processes
from training.loop.schedule import Schedule
from training.loop.sets import JoinedSets, open_sets, sample_weights
from training.loop.start import new_network, sized_input, with_input

CPU = torch.device("cpu")


def tiny_sets() -> tuple[list[SetConfig], JoinedSets]:
    plain: list[dict[str, Any]] = [
        {"path": "one", "most": 3, "weight": 2.0},
        {"path": "two", "most": 4, "split": "val", "folder_weights": {"b": 0.25}},
    ]
    configs = [SetConfig.model_validate({"layout": "tiny", **each}) for each in plain]
    return configs, open_sets(configs)


def test_joined_sets_lie_one_after_the_other() -> None:
    _, sets = tiny_sets()
    assert len(sets) == 7
    assert sets.groups == ("a", "b", "a", "a", "b", "a", "b")
    for index in range(7):
        expected = TinySet(3, 0, {})[index] if index < 3 else TinySet(4, 1, {})[index - 3]
        assert np.array_equal(sets[index].picture, expected.picture)
    with pytest.raises(IndexError):
        sets[7]


def test_weights_are_of_set_and_group() -> None:
    configs, sets = tiny_sets()
    assert sample_weights(configs, sets.sets).tolist() == [2, 2, 2, 1, 0.25, 1, 0.25]
    with pytest.raises(UsageError, match="no group 'z'"):
        sample_weights([configs[0].model_copy(update={"folder_weights": {"z": 1}})], sets.sets[:1])
    nothing = configs[0].model_copy(update={"folder_weights": {"a": 0, "b": 0}})
    with pytest.raises(UsageError, match="weight 0"):
        sample_weights([nothing], sets.sets[:1])


@dataclass(frozen=True)
class Squares(Dataset[int]):
    """index → its square; not of 5. dies: 4 ends the process."""

    dies: bool = False

    def __getitem__(self, index: int) -> int:
        if index == 5:
            raise SourceError("cannot read picture 5", "mend it")
        if index == 4 and self.dies:
            import os

            os._exit(1)
        return index * index


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_items_come_in_order_and_an_error_comes_as_it_is(workers: int) -> None:
    found = loaded(Squares(), iter(range(9)), workers)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(SourceError) as caught:
        next(found)
    assert (caught.value.message, caught.value.cure) == ("cannot read picture 5", "mend it")


def test_a_worker_that_dies_is_named() -> None:
    with pytest.raises(SourceError, match=r"process that reads samples ended.*workers"):
        list(loaded(Squares(dies=True), range(9), 1))


def test_a_worker_that_is_killed_while_others_work_is_named() -> None:
    """Torch raises from a signal handler, in the middle of what the parent does."""
    found = loaded(Squares(), range(4), 1)
    next(found)
    (worker,) = multiprocessing.active_children()
    with pytest.raises(SourceError, match="process that reads samples ended"), named_worker_deaths():
        kill_and_wait(worker)


def kill_and_wait(process: multiprocessing.process.BaseProcess) -> None:
    """Longer than it takes to be told that it died."""
    process.kill()
    time.sleep(60)


class Broken(PlainRecipe):
    """The lane's loss is not a number while ``broken``, as is what the network has seen then."""

    fault: Exception | None = None
    """Raised instead, where there is one."""

    broken = False

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        if self.fault is not None:
            raise self.fault
        if not self.broken:
            return super().losses(network, images, batch)
        terms = super().losses(network, images * float("nan"), batch)
        return {**terms, "drivable": terms["drivable"].detach().nan_to_num() * 0 + 1}


def learner(tmp_path: Path, recipe: PlainRecipe, **changes: Any) -> tuple[Learner, Batch]:
    config = with_input(tiny_config(tmp_path / "run", **changes))
    samples = TinySet(4, 0, {})
    network = new_network(config, open_sets(config.train).classes, print)
    made = Learner(
        config,
        network=network,
        recipe=recipe,
        card=sized_input(config, network),
        schedule=Schedule(config.optimizer, 100, 0),
        processes=Processes(0, 1, torch.device("cpu")),
    )
    return made, collate([samples[index] for index in range(4)], recipe.mask_heads)


def test_a_step_that_is_not_finite_leaves_no_trace(tmp_path: Path) -> None:
    recipe = Broken()
    made, batch = learner(tmp_path, recipe)
    made.step([batch], 0)
    before = {key: tensor.clone() for key, tensor in made.network.state_dict().items()}
    recipe.broken = True
    assert made.step([batch], 1) is None
    after = made.network.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    recipe.broken = False
    assert made.step([batch], 2) is not None


def test_too_many_of_them_in_a_row_end_training_and_the_term_is_named(tmp_path: Path) -> None:
    recipe = Broken()
    made, batch = learner(tmp_path, recipe)
    recipe.broken = True
    for number in range(MOST_SKIPPED - 1):
        assert made.step([batch], number) is None
    with pytest.raises(EngineError, match="diverged: lane was not finite for 10 steps"):
        made.step([batch], MOST_SKIPPED)


class Steep(PlainRecipe):
    """A finite loss whose gradient is none."""

    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        terms = super().losses(network, images, batch)
        return {name: term + (term * 0).sqrt() for name, term in terms.items()}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gradient_that_no_scale_makes_finite_ends_training(tmp_path: Path, precision: str) -> None:
    made, batch = learner(tmp_path, Steep(), precision=precision)
    with pytest.raises(EngineError, match="diverged: the gradient"):
        deque((made.step([batch], number) for number in range(40)), maxlen=0)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), r"more memory than cpu.*batch:"),
        (ValueError("Expected more than 1 value per channel when training, got …"), r"batch norm → raise batch:"),
    ],
)
def test_what_a_step_cannot_do_is_said_with_a_cure(tmp_path: Path, fault: Exception, named: str) -> None:
    recipe = Broken()
    made, batch = learner(tmp_path, recipe)
    recipe.fault = fault
    with pytest.raises(RoadStreamError, match=named):
        made.step([batch], 0)


def test_a_batch_norm_without_statistics_is_a_usage_error(tmp_path: Path) -> None:
    """One picture, whose pooled context is one value per channel."""
    with pytest.raises(UsageError, match="raise batch:"), explained(CPU, compiled=False):
        nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


def test_without_a_compiler_compile_is_an_engine_error(tmp_path: Path) -> None:
    """In a process of its own: the compiler remembers for good what it found."""
    path = tmp_path / "train.yaml"
    config = tiny_config(tmp_path / "run", compile=True)
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    nowhere = {"CXX": str(tmp_path / "no-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.loop.tiny", str(path)],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == EngineError.exit_code, done.stderr
    assert "cannot compile" in done.stdout.splitlines()[-1]
    assert "compile: false" in done.stdout.splitlines()[-1]


def test_what_was_saved_of_another_network_is_refused(tmp_path: Path) -> None:
    one, _ = learner(tmp_path, PlainRecipe())
    other, _ = learner(tmp_path, PlainRecipe(), variant="small")
    with pytest.raises(UsageError, match="classes of the sets have changed"):
        other.restore(one.state())
