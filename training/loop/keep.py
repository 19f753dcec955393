"""What is kept of a training: checkpoints for people, the state for going on."""

from __future__ import annotations

from pathlib import Path

from training.blueprint import Checkpoint
from training.checkpoints import save_checkpoint
from training.loop.prepare import Training
from training.loop.state import save_state


def leave(training: Training) -> None:
    """Saves and raises KeyboardInterrupt."""
    save(training)
    config = training.config.output / "config.yaml"
    training.say(f"interrupted, saved. To go on: python -m training train --config {config} --resume")
    raise KeyboardInterrupt


def save(training: Training) -> None:
    """last.pt and resume.pt, by the first process. Raises OutputError; what was there before is intact then."""
    if training.processes.first:
        save_weights(training, training.last)
        save_state(training.config.output / "resume.pt", training.config, training.standing, training.learner)


def save_weights(training: Training, path: Path) -> None:
    """The averaged weights as a checkpoint of ours."""
    network, config = training.learner.average.network, training.config
    sets = ", ".join(dict.fromkeys(each.path for each in config.train))
    checkpoint = Checkpoint(
        blueprint=network.blueprint,
        state=network.state_dict(),
        input=training.card,
        origin=config.origin or f"trained with RoadStream on {sets}"[:500],
        licence=config.licence,
        epoch=training.standing.epoch,
    )
    save_checkpoint(checkpoint, path, overwrite=True)
