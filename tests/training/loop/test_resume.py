"""A training that is killed, interrupted or stopped goes on as if nothing had happened, to the bit."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from contracts.errors import EngineError, OutputError, UsageError
from tests.conftest import ROOT
from tests.training.loop import tiny
from tests.training.loop.tiny import assert_same, tiny_config
from tests.training.toy_sets import write_stripes
from training.checkpoints import read_checkpoint
from training.config import TrainConfig
from training.loop.train import train

LONG = {"epochs": 3, "epoch_samples": 28, "batch": 2, "accumulate": 2}
"""Epochs of seven steps of two batches."""


def silent(_line: str) -> None:
    """Nobody listens."""


def started(config: TrainConfig, *options: str) -> subprocess.Popen[str]:
    """A training in a process of its own."""
    path = config.output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.loop.tiny", str(path), *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def in_the_middle(output: Path) -> bool:
    """Whether a saved state lies inside the second epoch."""
    try:
        standing = torch.load(output / "resume.pt", weights_only=True)["standing"]
    except FileNotFoundError:
        return False
    return bool(standing["epoch"] >= 1 and standing["step"] > 0)


def wait_for_the_middle(program: subprocess.Popen[str], output: Path, within_s: float = 400) -> None:
    """Returns when a state inside the second epoch has been saved."""
    deadline = time.monotonic() + within_s
    while not in_the_middle(output):
        assert program.poll() is None, program.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a training lies that ran through, in this process."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    train(tiny_config(output, **LONG), resume=False, say=silent)
    return output


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_ended_within_an_epoch_it_goes_on_to_the_same_weights(undisturbed: Path, tmp_path: Path, end: int) -> None:
    config = tiny_config(tmp_path / "run", workers=1, **LONG)
    program = started(config, "--save-every", "0")
    wait_for_the_middle(program, config.output)
    program.send_signal(end)
    told = program.communicate(timeout=60)[0]
    assert program.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 130)
    assert ("--resume" in told) == (end == signal.SIGTERM)

    train(config, resume=True, say=silent)
    assert_same(undisturbed, config.output)
    assert (config.output / "history.csv").read_text().count("\n") == 4
    best, expected = (read_checkpoint(output / "best.pt") for output in (config.output, undisturbed))
    assert best.epoch == expected.epoch
    assert all(torch.equal(tensor, expected.state[key]) for key, tensor in best.state.items())


def test_stopped_after_an_epoch_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """Constant rate, as another number of epochs changes a schedule that ends."""
    constant = {"optimizer": {"name": "sgd", "learning_rate": 0.01, "schedule": "constant"}}
    augment = {"augment": {"mosaic_stop_epochs": 0}}
    train(tiny_config(tmp_path / "whole", epochs=4, **constant, **augment), resume=False, say=silent)
    train(tiny_config(tmp_path / "parts", epochs=2, **constant, **augment), resume=False, say=silent)
    train(tiny_config(tmp_path / "parts", epochs=4, **constant, **augment), resume=True, say=silent)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_resumed_when_all_is_done_nothing_changes(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    (tmp_path / "run" / "history.csv").unlink()  # as if killed just after the last save
    harmless = {"workers": 1, "validate_every": 2, "patience": 9, "threads": None}
    said: list[str] = []
    best = train(tiny_config(tmp_path / "run", **LONG, **harmless), resume=True, say=said.append)
    assert "finished: 3 of 3 epochs → for more: --resume --set epochs=6" in said
    assert not any(line.startswith("goes on") for line in said)
    assert best == tmp_path / "run" / "best.pt"
    assert_same(undisturbed, tmp_path / "run")
    assert (tmp_path / "run" / "history.csv").read_text() == (undisturbed / "history.csv").read_text()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # in torch's own compiler
@pytest.mark.timeout(900)
def test_a_compiled_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    write_stripes(tmp_path / "set", "train", 8, seed=1)
    stripes = [{"path": str(tmp_path / "set"), "layout": "class_folders"}]
    changes: dict[str, Any] = {"family": "classifier", "variant": "test_resnet", "input": {"size": [64, 64]}}
    changes |= {"options": {"dropout": 0.5}, "train": stripes, "val": stripes, "compile": True, **LONG}
    whole, parts = (tiny_config(tmp_path / name, **changes) for name in ("whole", "parts"))
    train(whole, resume=False, say=silent)
    program = started(parts, "--save-every", "0")
    wait_for_the_middle(program, parts.output, within_s=600)
    program.kill()
    program.communicate(timeout=60)
    train(parts, resume=True, say=silent)
    assert_same(whole.output, parts.output)


def test_the_count_to_an_early_end_goes_on(tmp_path: Path) -> None:
    still: dict[str, Any] = {"freeze_norm": True, "patience": 3}
    still["optimizer"] = {"name": "sgd", "learning_rate": 1e-12, "schedule": "constant"}
    train(tiny_config(tmp_path / "whole", epochs=9, **still), resume=False, say=silent)
    train(tiny_config(tmp_path / "parts", epochs=3, **still), resume=False, say=silent)
    train(tiny_config(tmp_path / "parts", epochs=9, **still), resume=True, say=silent)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert (tmp_path / "parts" / "history.csv").read_text().count("\n") == 1 + 4
    said: list[str] = []
    train(tiny_config(tmp_path / "parts", epochs=9, **still), resume=True, say=said.append)
    assert not any(line.startswith("goes on") for line in said)
    assert any("ends early → to go on all the same: --resume --set patience=6" in line for line in said)


def test_going_on_needs_no_weights_to_start_from_and_keeps_the_last_orders(tmp_path: Path) -> None:
    train(tiny_config(tmp_path / "first", epochs=1), resume=False, say=silent)
    start, output = tmp_path / "first" / "last.pt", tmp_path / "second"
    train(tiny_config(output, epochs=1, start=str(start)), resume=False, say=silent)
    start.unlink()
    said: list[str] = []
    train(tiny_config(output, epochs=2, start=str(start)), resume=True, say=said.append)
    assert not any(line.startswith("start:") for line in said)
    assert yaml.safe_load((output / "config.yaml").read_text(encoding="utf-8"))["epochs"] == 2


def test_a_set_that_has_grown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    train(tiny_config(tmp_path / "run", epochs=1), resume=False, say=said.append)
    train(tiny_config(tmp_path / "run", epochs=2), resume=True, say=said.append)
    assert not any("as if undisturbed" in line for line in said)
    monkeypatch.setattr(tiny, "open_set", lambda _config: tiny.TinySet(13, 0, tiny.CLASSES))
    train(tiny_config(tmp_path / "run", epochs=3), resume=True, say=said.append)
    assert any("had 12 samples" in line and "as if undisturbed" in line for line in said)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch": 4}, "batch"),
        ({"optimizer": {"learning_rate": 1.0}}, "optimizer.learning_rate"),
        ({"seed": 1, "augment": {"flip": 0.25}}, "augment.flip, seed"),
    ],
)
def test_another_configuration_is_refused_by_the_keys_that_differ(
    undisturbed: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    with pytest.raises(UsageError, match=named):
        train(tiny_config(tmp_path / "run", **{**LONG, **changes}), resume=True, say=silent)


def test_without_resume_a_folder_with_a_training_is_refused(undisturbed: Path) -> None:
    with pytest.raises(UsageError, match=r"holds a training.*--resume"):
        train(tiny_config(undisturbed, **LONG), resume=False, say=silent)


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training to resume"):
        train(tiny_config(tmp_path / "run"), resume=True, say=silent)


@pytest.mark.parametrize("damage", ["cut", "garbage", "other"])
def test_a_damaged_state_is_named(undisturbed: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    state = tmp_path / "run" / "resume.pt"
    if damage == "other":
        torch.save({"format": "roadstream training", "version": 1, "config": {}}, state)
    else:
        state.write_bytes(state.read_bytes()[:5000] if damage == "cut" else b"no checkpoint")
    with pytest.raises(EngineError, match="damaged"):
        train(tiny_config(tmp_path / "run", **LONG), resume=True, say=silent)


def test_a_full_disk_is_an_output_error_and_leaves_what_was_there(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    train(tiny_config(output, epochs=1), resume=False, say=silent)
    before = {name: (output / name).read_bytes() for name in ("last.pt", "best.pt", "resume.pt")}

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="disk full"):
        train(tiny_config(output, epochs=2), resume=True, say=silent)
    assert {name: (output / name).read_bytes() for name in before} == before
    assert not list(output.glob(".*"))
