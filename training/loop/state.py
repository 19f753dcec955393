"""Where a training stands: what resume.pt holds, and whether a configuration may go on from it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from contracts.errors import EngineError, UsageError
from contracts.validation import validated
from training.config import TrainConfig
from training.files import written
from training.loop.learner import Learner, LearnerState

_FORMAT = "roadstream training"
_VERSION = 1
HARMLESS = (
    *("epochs", "patience", "validate_every", "output", "origin", "licence"),
    *("workers", "device", "threads", "compile"),
)
"""Keys of a configuration that may change on the way: how far it goes, not what a step does but for its last bits."""


@dataclass(slots=True)
class Standing:
    """How far a training is; plain values only.

    epoch: of the next step, 0 …; step: within it (all of them: only its validation is left). best: fitness of
    best.pt. stale: validations since. seconds: spent so far. losses, counted: sums of this epoch's loss terms over
    so many steps. history: one row of figures per epoch. blind: head → validations in a row in which it saw nothing.
    samples: learned from (0: the file does not say).
    """

    epoch: int = 0
    step: int = 0
    best: float | None = None
    stale: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    blind: dict[str, int] = field(default_factory=dict)
    samples: int = 0

    def over(self, config: TrainConfig) -> str | None:
        """Why the training is finished, and how it goes on all the same; None: it is not."""
        if self.epoch >= config.epochs:
            cure = f"for more: --resume --set epochs={2 * self.epoch}"
            return f"finished: {self.epoch} of {config.epochs} epochs → {cure}"
        if config.patience is not None and self.stale >= config.patience:
            cure = f"to go on all the same: --resume --set patience={2 * self.stale}"
            return f"no better for {self.stale} validations: training ends early → {cure}"
        return None


def save_state(path: Path, config: TrainConfig, standing: Standing, learner: Learner) -> None:
    """Writes the file in one step. Raises OutputError; the previous file is intact then."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "config": config.model_dump(mode="json"),
        "standing": asdict(standing),
        "learner": learner.state(),
    }
    memory = io.BytesIO()
    torch.save(content, memory)  # into memory first: a full disk is an OSError of ours, not a RuntimeError of torch's
    with written(path, overwrite=True) as part:
        part.write_bytes(memory.getbuffer())


def read_state(path: Path, config: TrainConfig) -> tuple[Standing, LearnerState]:
    """Where a training of this configuration stands. Raises UsageError where it was another one, EngineError."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            raise EngineError(f"{path} is of another version", "finish that training with the version it began with")
        before, standing, learner = content["config"], Standing(**content["standing"]), content["learner"]
    except FileNotFoundError as fault:
        raise UsageError(
            f"cannot resume: {path} is gone", "start anew in another output, from last.pt (start:)"
        ) from fault
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as fault:
        raise EngineError(f"cannot resume from {path}: it is damaged", "start anew from last.pt (start:)") from fault
    known = validated(TrainConfig, before, f"the configuration in {path}", EngineError)  # new keys get their defaults
    changed = [
        key
        for key in differences(known.model_dump(mode="json"), config.model_dump(mode="json"))
        if key.split(".")[0] not in HARMLESS
    ]
    if changed:
        raise UsageError(
            f"the training in {path.parent} was configured otherwise: {', '.join(changed)}",
            f"give it its own {path.parent / 'config.yaml'}, or start anew in another output",
        )
    return standing, learner


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Dotted names of the keys in which two plain values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = dict.fromkeys([*one, *other])
        return [
            found
            for key in keys
            for found in differences(one.get(key), other.get(key), f"{place}.{key}" if place else str(key))
        ]
    return [] if one == other else [place]
