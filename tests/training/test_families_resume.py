"""Every family: killed within an epoch and resumed, a training ends with the bits of one that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.support.program import ROOT
from tests.training.loop.test_resume import wait_for_the_middle
from tests.training.test_families_learn import CASES, Case, Sets, configured
from training.checkpoints import read_checkpoint
from training.config import TrainConfig
from training.loop.train import train


def shortened(case: Case, sets: Sets, output: Path) -> TrainConfig:
    """Two epochs, with what is drawn by chance switched on."""
    config = configured(case, sets, output, seed=3)
    changes = {"epochs": 2, "validate_every": 2, "augment": {"mosaic": 0.3, "mosaic_stop_epochs": 1}}
    return TrainConfig.model_validate({**config.model_dump(mode="json", exclude_unset=True), **changes})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.family)
def test_killed_within_an_epoch_it_goes_on_to_the_same_weights(case: Case, tmp_path: Path) -> None:
    sets = case.sets(tmp_path / "set")
    whole, parts = (shortened(case, sets, tmp_path / name) for name in ("whole", "parts"))
    train(whole, resume=False, say=lambda _line: None)

    file = tmp_path / "parts.yaml"
    file.write_text(yaml.safe_dump(parts.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.training.test_families_resume", str(file)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for_the_middle(program, parts.output)
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=60)
    assert program.returncode == -signal.SIGKILL

    train(parts, resume=True, say=lambda _line: None)
    expected, found = (read_checkpoint(output / "last.pt") for output in (whole.output, parts.output))
    assert found.state.keys() == expected.state.keys()
    assert all(torch.equal(tensor, expected.state[key]) for key, tensor in found.state.items())


if __name__ == "__main__":
    CONFIG = TrainConfig.model_validate(yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8")))
    train(CONFIG, resume=False, say=print, save_every_s=0)
