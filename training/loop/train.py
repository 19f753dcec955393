"""The training loop, from top to bottom: open, build, learn, validate, keep; interrupted or killed, it goes on exactly.

The output folder holds last.pt and best.pt (checkpoints of ours, with averaged weights), resume.pt (all that going on
needs), config.yaml, history.csv, curves.png and tensorboard/.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from training.config import TrainConfig
from training.loop.feed import named_worker_deaths
from training.loop.fitness import fitness, flat, watch_blindness
from training.loop.interrupts import noted_interrupts
from training.loop.journal import Journal, describe_figures, describe_losses, shown
from training.loop.keep import leave, save, save_weights
from training.loop.prepare import Training, prepared
from training.loop.processes import joined_processes
from training.loop.start import with_input
from training.loop.validation import Verdict

Say = Callable[[str], None]
SAVE_EVERY_S = 180.0
"""Between saves within an epoch."""


def train(config: TrainConfig, *, resume: bool, say: Say, save_every_s: float = SAVE_EVERY_S) -> Path:
    """Trains as configured; returns the best checkpoint. Progress and figures go to ``say``, one line each.

    resume: go on where the training in ``config.output`` stood. save_every_s: between saves within an epoch.
    Raises UsageError, SourceError, EngineError (diverged), OutputError, and KeyboardInterrupt with the state saved.
    """
    config = with_input(config)
    with joined_processes(config.device) as processes:
        said = say if processes.first else _silent
        training = prepared(config, processes, said, save_every_s=save_every_s, resume=resume)
        standing = training.standing
        with noted_interrupts(training.interrupts), named_worker_deaths(), ExitStack() as stack:
            journal = None
            if processes.first:
                journal = stack.enter_context(closing(Journal(config.output, len(standing.history))))
            while (over := standing.over(config)) is None:
                _learn_epoch(training)
                verdict = _validated(training)
                _conclude_epoch(training, verdict, journal)
            if journal is not None:
                journal.conclude(standing.history)
    training.say(over)
    best = training.best if training.best.exists() else training.last
    training.say(f"best fitness {standing.best or 0:.4f}: {best}")
    return best


def _learn_epoch(training: Training) -> None:
    """The rest of an epoch, step by step; saves every few minutes. Raises KeyboardInterrupt, the state saved."""
    standing, plan = training.standing, training.plan
    saved = began = time.monotonic()
    before = standing.seconds
    title = f"epoch {standing.epoch + 1}/{training.config.epochs}"

    def describe() -> str:
        return describe_losses(standing.losses, standing.counted)

    steps = range(standing.step, plan.steps)
    for step in shown(steps, title, training.say, count=plan.steps, done=standing.step, describe=describe):
        found = training.learner.step(
            list(islice(training.batches, plan.accumulate)), standing.epoch * plan.steps + step
        )
        if found is not None:
            standing.losses = {name: standing.losses.get(name, 0.0) + value for name, value in found.items()}
            standing.counted += 1
        now = time.monotonic()
        standing.step, standing.seconds = step + 1, before + now - began
        if training.processes.any(training.interrupts.asked):
            leave(training)
        if now - saved >= training.save_every_s:
            save(training)
            saved = time.monotonic()


def _validated(training: Training) -> Verdict | None:
    """The verdict on the averaged weights, in the first process, where this epoch has one."""
    epoch = training.standing.epoch + 1
    if epoch % training.config.validate_every and epoch != training.config.epochs:
        return None
    verdict = None
    if training.processes.first:
        interrupts = training.interrupts
        verdict = training.validator.verdict(training.learner.average.network, lambda: interrupts.asked)
    if training.processes.any(training.processes.first and verdict is None):
        leave(training)
    return verdict


def _conclude_epoch(training: Training, verdict: Verdict | None, journal: Journal | None) -> None:
    """Figures, history, checkpoints; then the next epoch."""
    standing, config = training.standing, training.config
    row = _row(training)
    better = False
    if verdict is not None:
        value = fitness(verdict.figures, config.fitness)
        row |= {**flat(verdict.figures), "fitness": value}
        better = standing.best is None or value > standing.best
        _tell(training, verdict, value, better=better)
        standing.stale = 0 if better else standing.stale + 1
        standing.best = value if better else standing.best
    standing.stale = int(training.processes.from_first([standing.stale])[0])
    standing.history.append(row)
    standing.epoch, standing.step, standing.losses, standing.counted = standing.epoch + 1, 0, {}, 0
    if journal is not None:
        if better:
            save_weights(training, training.best)
        save(training)
        journal.write(standing.history)


def _row(training: Training) -> dict[str, float]:
    """The figures of an epoch without its validation."""
    standing, plan = training.standing, training.plan
    done = (standing.epoch + 1) * plan.steps
    means = {f"loss/{name}": value / standing.counted for name, value in standing.losses.items()}
    total = {"loss/all": sum(means.values())} if means else {}
    rate = training.learner.schedule.rate(done - 1)
    facts = {"epoch": standing.epoch + 1.0, "step": float(done), "seconds": round(standing.seconds, 1), "rate": rate}
    return {**facts, **total, **means}


def _tell(training: Training, verdict: Verdict, value: float, *, better: bool) -> None:
    """Lines for people: the epoch, each head, heads that see nothing."""
    standing = training.standing
    losses = describe_losses(standing.losses, standing.counted)
    mark = " (best so far)" if better else ""
    training.say(f"epoch {standing.epoch + 1}/{training.config.epochs}: {losses}, fitness {value:.4f}{mark}")
    for line in describe_figures(verdict.figures):
        training.say(line)
    for line in watch_blindness(standing.blind, verdict.figures, verdict.constant):
        training.say(line)


def _silent(_line: str) -> None:
    """What the other processes say."""
