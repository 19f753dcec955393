"""Several processes that torchrun starts learn what one learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from contracts.errors import UsageError
from tests.conftest import ROOT
from tests.training.loop.tiny import PLAIN, learned, tiny_config
from training.loop.processes import chosen_device
from training.loop.train import train
from training.recipes.open import RECIPES

# Batch norms still and pixels unwarped (every one counts), so that the mean over both processes is that of the batch.
PLAIN_AUGMENT = {"scale": [1, 1], "shift": 0, "rotate_deg": 0}
CHANGES: dict[str, Any] = {
    "freeze_norm": True,
    "epochs": 1,
    "augment": PLAIN_AUGMENT,
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
}


def test_two_processes_learn_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(tmp_path / "two", **CHANGES)
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*run, "-m", "tests.training.loop.tiny", str(path), "--plain-loss"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("samples to learn from") == 1  # only the first one speaks

    monkeypatch.setitem(RECIPES, "twinlitenetplus", PLAIN)
    train(tiny_config(tmp_path / "one", **CHANGES), resume=False, say=lambda _line: None)
    one, two = learned(tmp_path / "one"), learned(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor.float(), two[name].float(), rtol=1e-3, atol=1e-4), name


def test_devices_that_are_not_there_are_refused() -> None:
    assert chosen_device("cpu").type == "cpu"
    for name in ("cuda:99", "tpu", "mps"):
        with pytest.raises(UsageError):
            chosen_device(name)
