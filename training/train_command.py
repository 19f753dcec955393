"""``python -m training train``: a configuration in, checkpoints out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from contracts.errors import UsageError
from contracts.validation import read_file, read_yaml, validated
from training.config import TrainConfig
from training.data_command import AddCommand

_HELP = """\
  python -m training train --config road.yaml
  python -m training train --config road.yaml --set epochs=20 --set optimizer.learning_rate=1e-3
  python -m training train --config runs/road/config.yaml --resume
  torchrun --nproc-per-node 2 -m training train --config road.yaml

A configuration is YAML with the names of TrainConfig. The least that one says:

  family: twinlitenetplus
  variant: nano
  train: [{path: data/road, layout: drive}]
  val: [{path: data/road, layout: drive, split: val}]
  output: runs/road

The output folder gets best.pt and last.pt (checkpoints with averaged weights: python -m training export
runs/road/best.pt), history.csv, curves.png, tensorboard/ (tensorboard --logdir runs/road), config.yaml and resume.pt.

Ctrl-C saves and ends with exit code 130. After that, or after a kill or a power cut, --resume goes on from the last
save (each epoch's end, and every three minutes): on a CPU with the same number of threads it gives, bit for bit, the
weights of a training that nobody disturbed. These may change on the way: patience, validate_every, workers, threads,
device, compile, output, origin, licence, and epochs, to whose new number the rates that are left then lead.
"""


def add_train_command(commands: Any, add: AddCommand) -> None:
    """Adds ``train`` to ``commands``, what ``add_subparsers`` gave."""
    made = add(commands, "train", "train a network on labelled pictures", _HELP)
    made.add_argument("--config", metavar="FILE", required=True, help="what to train, on what, how (YAML)")
    made.add_argument("--resume", action="store_true", help="go on where the training in the output folder stood")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a key of the configuration, dots lead inwards (train.0.weight=2); repeat for several",
    )
    made.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1 … (the configuration's, else auto)")
    made.add_argument("--output", metavar="FOLDER", help="where checkpoints, logs and plots go (the configuration's)")


def run_train(parsed: argparse.Namespace, say: Callable[[str], None]) -> Path:
    """Trains as ordered; returns the best checkpoint. Raises what ``train`` raises."""
    settings = [_setting(text) for text in parsed.settings]
    settings += [(key, value) for key in ("device", "output") if (value := getattr(parsed, key)) is not None]
    config = configured(Path(parsed.config), settings)

    from training.loop.train import train

    return train(config, resume=parsed.resume, say=say)


def configured(path: Path, settings: list[tuple[str, Any]]) -> TrainConfig:
    """The configuration in a file with some keys changed. Raises UsageError that names file and key."""
    data = read_yaml(read_file(path, "training configuration", UsageError), str(path), UsageError)
    for key, value in settings:
        _put(data, key, value)
    return validated(TrainConfig, data, str(path), UsageError)


def _setting(text: str) -> tuple[str, Any]:
    """KEY=VALUE, the value read as YAML. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--set {text}: not KEY=VALUE", "write --set epochs=20")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as fault:
        raise UsageError(f"--set {text}: the value is not YAML", "quote it") from fault


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key; numbers lead into lists. Raises UsageError where the way leads into a plain value."""
    *way, last = key.split(".")
    place: Any = data
    try:
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (ValueError, IndexError, TypeError, AttributeError) as fault:
        raise UsageError(f"--set {key}: the configuration has no such place", "see --help") from fault
