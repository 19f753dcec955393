"""Everything a training needs, opened and built before its first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from contracts.card import InputCard
from contracts.errors import OutputError, UsageError
from training.augment.augmenter import Augmenter
from training.config import TrainConfig
from training.data.batch import Batch
from training.files import written
from training.loop.draws import Plan
from training.loop.feed import Batches, loaded
from training.loop.fitness import fitness
from training.loop.interrupts import Interrupts
from training.loop.learner import Learner
from training.loop.processes import Processes
from training.loop.schedule import Schedule
from training.loop.sets import JoinedSets, common_classes, open_sets, sample_weights
from training.loop.start import hold_still, new_network, sized_input, without_start
from training.loop.state import Standing, read_state
from training.loop.validation import Validator
from training.metrics.judge import label_key
from training.recipes.open import recipe_for

Say = Callable[[str], None]
_FEW = 100
"""Samples, below which a network learns them by heart."""
_TRIED = 2
"""Pictures that are validated before training begins, so that what cannot work fails at once."""


@dataclass(slots=True, eq=False)
class Training:
    """Everything that is there while training."""

    config: TrainConfig
    processes: Processes
    interrupts: Interrupts
    card: InputCard
    learner: Learner
    plan: Plan
    batches: Iterator[Batch]
    validator: Validator
    standing: Standing
    save_every_s: float
    say: Say

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch."""
        return self.config.output / "last.pt"

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch."""
        return self.config.output / "best.pt"


def prepared(config: TrainConfig, processes: Processes, say: Say, *, save_every_s: float, resume: bool) -> Training:
    """Opens and builds everything; puts it where the training stood, if it is resumed."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    _warm_vector_mathematics()
    torch.backends.cudnn.benchmark = True  # input sizes never change
    if processes.first:
        _ready_folder(config, resume=resume)
    found = read_state(config.output / "resume.pt", config) if resume else None
    if processes.first:
        _keep_config(config)
    train_set, val_set = open_sets(config.train), open_sets(config.val)
    common_classes((*config.train, *config.val), (*train_set.sets, *val_set.sets))
    network = new_network(without_start(config) if resume else config, train_set.classes, say)
    card = sized_input(config, network)
    hold_still(network, config.freeze)
    recipe = recipe_for(network, config.family, config.loss)
    recipe.prepare(train_set)
    plan = _plan(config, train_set, processes)
    schedule = Schedule.of(config.optimizer, config.epochs, plan.steps)
    learner = Learner(config, network=network, recipe=recipe, card=card, schedule=schedule, processes=processes)
    validator = Validator(network, val_set, card, processes.device, batch=config.batch, workers=config.workers)
    standing = Standing()
    if found is not None:
        standing, state = found
        learner.restore(state)
    elif processes.first:
        _try_out(validator, learner, config)
    size = card.size
    assert size is not None
    augmenter = Augmenter(train_set, size, config.augment, fit=card.fit, pad=card.pad, seed=config.seed)
    share = slice(processes.rank, None, processes.count)
    keys = (draws[share] for draws in plan.batches(standing.epoch, standing.step))
    batches = loaded(Batches(augmenter, recipe.mask_heads), keys, config.workers)
    training = Training(
        config, processes, Interrupts(), card, learner, plan, batches, validator, standing, save_every_s, say
    )
    _introduce(training, train_set, val_set)
    return training


def _warm_vector_mathematics() -> None:
    """Calls MKL's vector functions once from this thread alone.

    Where the first call of one comes from two threads at once, MKL now and then serves one of them with its least
    accurate version (exp: off by 1.5e-4 instead of 6e-8), and a training does not come out as the one before.
    """
    few = torch.full((64,), 0.5)  # too few for several threads
    for function in (torch.exp, torch.log, torch.tanh, torch.erf, torch.sqrt, torch.sin, torch.cos):
        function(few)


def _ready_folder(config: TrainConfig, *, resume: bool) -> None:
    """Makes the output folder. Raises UsageError where another training is there."""
    folder = config.output
    there = [name for name in ("resume.pt", "last.pt", "best.pt") if (folder / name).exists()]
    if there and not resume:
        raise UsageError(f"{folder} holds a training already ({', '.join(there)})", "--resume, or another output:")
    if resume and not there:
        raise UsageError(f"there is no training to resume in {folder}", "start it without --resume")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"cannot make the folder {folder}: {fault.strerror}", "another output:") from fault


def _keep_config(config: TrainConfig) -> None:
    """Writes it beside the checkpoints: whoever resumes with that file goes on as it was last ordered."""
    with written(config.output / "config.yaml", overwrite=True) as part:
        part.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True), "utf-8")


def _plan(config: TrainConfig, samples: JoinedSets, processes: Processes) -> Plan:
    if config.batch % processes.count:
        raise UsageError(
            f"a batch of {config.batch} cannot be shared by {processes.count} processes", "make batch: a multiple"
        )
    return Plan(
        weights=sample_weights(config.train, samples.sets),
        samples=config.epoch_samples or len(samples),
        batch=config.batch,
        accumulate=config.accumulate,
        epochs=config.epochs,
        mosaic_epochs=config.epochs - config.augment.mosaic_stop_epochs,
        seed=config.seed,
    )


def _try_out(validator: Validator, learner: Learner, config: TrainConfig) -> None:
    """A validation of two pictures: heads that do not decode and unknown figures are found before an epoch is spent."""
    verdict = validator.verdict(learner.average.network, lambda: False, _TRIED)
    assert verdict is not None
    fitness(verdict.figures, config.fitness)


def _introduce(training: Training, train_set: JoinedSets, val_set: JoinedSets) -> None:
    config, say = training.config, training.say
    network = training.learner.network
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    width, height = training.card.size or (0, 0)
    title = f"{config.family} {config.variant}, {millions:.2f} M parameters"
    say(f"{title}, {width}x{height}, on {training.processes.device}")
    say(f"{len(train_set)} samples to learn from, {len(val_set)} to validate on; {training.plan.steps} steps per epoch")
    standing = training.standing
    if (standing.epoch or standing.step) and standing.over(config) is None:
        say(f"goes on in epoch {standing.epoch + 1} at step {standing.step} of {training.plan.steps}")
    for line in _doubts(training, train_set):
        say(f"warning: {line}")
    standing.samples = len(train_set)


def _doubts(training: Training, train_set: JoinedSets) -> Iterator[str]:
    """What will disappoint."""
    begun = training.standing.samples
    if begun and begun != len(train_set):
        yield f"the sets had {begun} samples when this training was left: it goes on, but not as if undisturbed"
    plan, at_once = training.plan, training.plan.batch * training.plan.accumulate
    if at_once > plan.samples:
        yield (
            f"a step takes {at_once} samples (batch {plan.batch} × accumulate {plan.accumulate}), an epoch has"
            f" {plan.samples}: each epoch draws {at_once} → lower accumulate: or batch:, or raise epoch_samples:"
        )
    if training.config.augment.mosaic and training.plan.mosaic_epochs <= 0:
        yield "no epoch sees mosaics → lower augment.mosaic_stop_epochs"
    if len(train_set) < _FEW:
        yield f"{len(train_set)} samples are few to learn other roads from → label more, or use start: and freeze:"
    for head in training.learner.network.heads:
        if label_key(head, train_set.classes) is None:
            yield f"{head.name} stays as it starts: no training set labels it"
        if head not in training.validator.heads:
            yield f"{head.name} is not validated: the validation sets do not label it, or no run decodes it"
