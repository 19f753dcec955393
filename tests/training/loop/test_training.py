"""What a training does and leaves behind, whole trainings of seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts.errors import EngineError, UsageError
from tests.training.loop.tiny import assert_same, learned, tiny_config
from training.checkpoints import open_subject, read_checkpoint
from training.config import TrainConfig
from training.loop.start import with_input
from training.loop.train import train
from training.networks.families import build
from training.train_command import configured


def trained(config: TrainConfig) -> list[str]:
    """Runs a training; what it said."""
    lines: list[str] = []
    train(config, resume=False, say=lines.append)
    return lines


def test_it_learns_and_leaves_everything_that_is_promised(tmp_path: Path) -> None:
    output = tmp_path / "run"
    config = tiny_config(output, epochs=4, epoch_samples=48, ema=0.0, optimizer={"learning_rate": 0.02})
    trained(config)
    with (output / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == list("1234")
    assert float(rows[-1]["loss/all"]) < 0.8 * float(rows[0]["loss/all"])
    assert float(rows[-1]["drivable/iou"]) > 0.5
    assert configured(output / "config.yaml", []) == with_input(config)
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((output / "tensorboard").iterdir())
    subject = open_subject(output / "best.pt")
    assert [head.name for head in subject.card.heads] == ["drivable", "lane"]
    assert subject.card.input.size == (64, 32)


def test_what_is_learned_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    for workers in (0, 2):
        mosaic = {"mosaic": 0.5, "mosaic_stop_epochs": 1}
        trained(tiny_config(tmp_path / str(workers), workers=workers, epochs=2, augment=mosaic))
    assert_same(tmp_path / "0", tmp_path / "2")


def test_two_batches_per_step_learn_as_one_of_both(tmp_path: Path) -> None:
    """Batch norms still, so that pictures do not see one another; the mean of both halves is the mean of all."""
    plain: dict[str, Any] = {"epochs": 1, "freeze_norm": True, "optimizer": {"name": "sgd", "learning_rate": 0.01}}
    trained(tiny_config(tmp_path / "one", batch=4, **plain))
    trained(tiny_config(tmp_path / "two", batch=2, accumulate=2, **plain))
    one, two = learned(tmp_path / "one"), learned(tmp_path / "two")
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=2e-3) for name in one if ".network." in name)


def test_frozen_parts_stay_as_they_are_and_the_rest_learns(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", freeze=["encoder"], epochs=1, optimizer={"warm_up_epochs": 0})
    trained(config)
    blueprint = read_checkpoint(tmp_path / "run" / "last.pt").blueprint
    torch.manual_seed(config.seed)
    fresh = build(blueprint).state_dict()
    after = torch.load(tmp_path / "run" / "resume.pt", weights_only=True)["learner"]["network"]
    changed = {key for key in fresh if not torch.equal(fresh[key], after[key])}
    assert not [key for key in changed if key.startswith("encoder.")]
    assert {key for key in fresh if key.startswith("decoders.") and key.endswith(".weight")} <= changed


def test_still_norms_keep_their_statistics_and_learn_their_scale(tmp_path: Path) -> None:
    trained(tiny_config(tmp_path / "run", freeze_norm=True, epochs=1, optimizer={"warm_up_epochs": 0}))
    state = read_checkpoint(tmp_path / "run" / "last.pt").state
    means = [tensor for key, tensor in state.items() if key.endswith("running_mean")]
    assert means
    assert not any(mean.any() for mean in means)


def test_a_part_that_is_not_there_cannot_be_frozen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no part 'encodr'.*'encoder'"):
        trained(tiny_config(tmp_path / "run", freeze=["encodr"]))


def test_it_starts_from_the_tensors_that_fit(tmp_path: Path) -> None:
    trained(tiny_config(tmp_path / "first", epochs=1))
    slow = {"optimizer": {"name": "sgd", "learning_rate": 1e-12}, "ema": 0.0, "freeze_norm": True, "epochs": 1}
    said = trained(tiny_config(tmp_path / "second", start=str(tmp_path / "first" / "last.pt"), **slow))
    one, two = (read_checkpoint(tmp_path / name / "last.pt").state for name in ("first", "second"))
    assert all(torch.allclose(one[key].float(), two[key].float(), atol=1e-6) for key in one)
    assert any(line.startswith("start: ") for line in said)


def test_no_better_for_some_validations_ends_it_early(tmp_path: Path) -> None:
    still = {"name": "sgd", "learning_rate": 1e-12}
    said = trained(tiny_config(tmp_path / "run", epochs=9, patience=2, optimizer=still, freeze_norm=True))
    assert any("ends early" in line for line in said)
    assert (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").count("\n") == 1 + 3


def test_a_head_that_sees_nothing_is_named_with_a_cure(tmp_path: Path) -> None:
    """It learns that no line is a line, and is asked where the lines are."""
    fast = {"learning_rate": 0.02, "schedule": "constant"}
    nothing = [{"path": "no lines", "layout": "tiny"}]
    said = trained(tiny_config(tmp_path / "run", train=nothing, epochs=10, ema=0.0, optimizer=fast))
    warnings = [line for line in said if line.startswith("warning: ")]
    assert any("lane sees nothing" in line and "→" in line for line in warnings)
    assert not any("drivable sees nothing" in line for line in warnings)


def test_validation_every_so_many_epochs_and_at_the_end(tmp_path: Path) -> None:
    trained(tiny_config(tmp_path / "run", epochs=3, validate_every=2))
    with (tmp_path / "run" / "history.csv").open(encoding="utf-8") as file:
        assert [bool(row["fitness"]) for row in csv.DictReader(file)] == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fitness": {"lane/iuo": 1.0}}, "no figure 'lane/iuo'"),
        ({"family": "twinlitenetpls"}, "no network family"),
        ({"input": {"size": [60, 32]}}, "multiples of 32x16"),
        ({"device": "tpu"}, "no device 'tpu'|not possible"),
        ({"loss": {"lanes": 1}}, "unknown key 'lanes'"),
        ({"options": {"foo": 1}}, "TwinLiteNet. has no option 'foo' → leave it out"),
        (
            {"val": [{"path": "x", "layout": "tiny", "classes": {"lane": ["a", "b"]}}]},
            "differ in the classes of 'lane'",
        ),
        (
            {"train": [{"path": "x", "layout": "tiny", "classes": {"boxes": ["car"]}}]},
            "needs the classes of 'drivable'",
        ),
        ({"train": [{"path": "x", "layout": "tiny", "folder_weights": {"c": 1}}]}, "no group 'c'"),
        ({"loss": {"drivable": 0, "lane": 0}}, "no loss teaches"),
    ],
)
def test_what_cannot_work_fails_before_the_first_step(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=named):
        train(tiny_config(tmp_path / "run", **changes), resume=False, say=said.append)
    assert not any(line.startswith("epoch") for line in said)


def test_what_will_disappoint_is_said_before(tmp_path: Path) -> None:
    said = trained(tiny_config(tmp_path / "run", epochs=1, augment={"mosaic": 0.5}))
    warnings = [line for line in said if line.startswith("warning: ")]
    assert any("12 samples are few" in line for line in warnings)
    assert any("no epoch sees mosaics" in line for line in warnings)
    assert not any("a step takes" in line for line in warnings)


def test_a_step_of_more_samples_than_an_epoch_is_said(tmp_path: Path) -> None:
    said = trained(tiny_config(tmp_path / "run", epochs=1, batch=2, accumulate=10))
    (line,) = (line for line in said if "a step takes" in line)
    assert line.startswith("warning: a step takes 20 samples (batch 2 × accumulate 10), an epoch has 12")
    assert "each epoch draws 20 → lower accumulate:" in line


def test_a_training_that_diverges_stops_and_names_the_term(tmp_path: Path) -> None:
    wild = {"name": "sgd", "learning_rate": 1e30, "warm_up_epochs": 0, "clip": None}
    with pytest.raises(EngineError, match=r"diverged: .*(drivable|lane).* not finite for 10 steps"):
        trained(tiny_config(tmp_path / "run", epochs=9, optimizer=wild))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_learns_in_half_precision(tmp_path: Path, precision: str) -> None:
    trained(tiny_config(tmp_path / "run", precision=precision, epochs=1))
    state = read_checkpoint(tmp_path / "run" / "last.pt").state
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())


def test_what_input_leaves_open_is_as_the_authors_feed_the_network(tmp_path: Path) -> None:
    usual = with_input(tiny_config(tmp_path, family="yolop", input=None)).input
    given = with_input(tiny_config(tmp_path, family="yolop", input={"size": [320, 192], "pad": 0})).input
    assert usual is not None
    assert usual.mean != (0, 0, 0)
    assert given == usual.model_copy(update={"size": (320, 192), "pad": 0})
    again = tiny_config(tmp_path, family="yolop", input=given.model_dump())
    assert with_input(again).input == given
