"""``python -m training train``: the configuration at the door, what is said, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import training.__main__ as program
from commands.terminal import guarded
from contracts.errors import UsageError
from tests.training.loop.tiny import tiny_config
from training.train_command import configured


def written(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "tiny.yaml"
    config = tiny_config(tmp_path / "run", **{"epochs": 1, **changes}).model_dump(mode="json")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def test_settings_reach_every_place(tmp_path: Path) -> None:
    settings = [("epochs", 7), ("optimizer.learning_rate", 0.5), ("train.0.weight", 3), ("fitness.lane/iou", 1)]
    config = configured(written(tmp_path), settings)
    assert (config.epochs, config.optimizer.learning_rate, config.train[0].weight) == (7, 0.5, 3.0)
    assert config.fitness == {"lane/iou": 1.0}


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("epoch=7", "unknown key 'epoch'.*'epochs'"),
        ("seed=-1", "seed: .*greater than or equal to 0"),
        (f"seed={2**63}", "seed: .*less than"),
        ("epochs=0", "epochs: .*greater than or equal to 1"),
        ("train.5.weight=1", "no such place"),
        ("family.name=1", "no such place"),
        ("epochs", "not KEY=VALUE"),
        ("epochs=[", "not YAML"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, setting: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        program.main(["train", "--config", str(written(tmp_path)), "--set", setting])


def test_it_trains_and_prints_the_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--config", str(written(tmp_path)), "--device", "cpu"]
    assert guarded(program.main, arguments) == 0
    found = capsys.readouterr()
    assert found.out == f"{tmp_path / 'run' / 'best.pt'}\n"
    assert "epoch 1/1: loss" in found.err
    assert guarded(program.main, arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert guarded(program.main, [*arguments, "--resume", "--set", "batch=2"]) == 2
    assert "configured otherwise: batch" in capsys.readouterr().err
    elsewhere = tmp_path / "file"
    elsewhere.touch()
    assert guarded(program.main, [*arguments, "--output", str(elsewhere / "run")]) == 5


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["train", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("--resume", "torchrun", "KEY=VALUE", "family:", "best.pt", "130"):
        assert word in told
