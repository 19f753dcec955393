"""One step of training: forward, backward, clipped, taken, averaged; or skipped where a number is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypedDict, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from contracts.card import InputCard
from contracts.errors import EngineError, UsageError
from training.config import TrainConfig
from training.data.batch import Batch
from training.loop.average import Average
from training.loop.faults import explained
from training.loop.optimizer import new_optimizer
from training.loop.processes import Processes
from training.loop.scaling import Scaling
from training.loop.schedule import Schedule
from training.loop.start import to_training_mode
from training.networks.network import Network
from training.recipes.recipe import Recipe

MOST_SKIPPED = 10
"""Steps in a row without a finite loss before training gives up."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class LearnerState(TypedDict):
    """All that a step depends on beside the batch and the number of the step."""

    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    skipped: int


class Learner:
    """A network and what makes it learn. network: on no device in particular, its frozen parts marked."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        network: Network,
        recipe: Recipe,
        card: InputCard,
        schedule: Schedule,
        processes: Processes,
    ) -> None:
        device = processes.device
        self.network: Network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.network, config.ema)
        self.schedule = schedule
        self._config = config
        self._recipe = recipe
        self._processes = processes
        self._scaling = Scaling(card, device)
        self._optimizer = new_optimizer(self.network, config.optimizer)
        self._scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self._trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._skipped = 0
        self._module = self._shared()
        to_training_mode(self.network, config.freeze, norms=config.freeze_norm)

    def _shared(self) -> nn.Module:
        """The network as it is called: of several processes, one that adds up their gradients."""
        network: nn.Module = self.network
        if self._config.compile:
            network = cast("nn.Module", torch.compile(self.network))  # the same weights
        if self._processes.count == 1:
            return network
        if self._processes.device.type == "cuda":
            self.network.join_norms()
        # Unused: a batch in which nothing is labelled for a head may leave that head out of the loss.
        return DistributedDataParallel(network, find_unused_parameters=True)

    def step(self, batches: Sequence[Batch], number: int) -> Mapping[str, float] | None:
        """One step, the number-th of the training, over these batches; the loss terms of this process, their mean.

        None where the step was skipped because a number in it was not finite. Raises EngineError after too many, and
        where memory or compiler fail; UsageError where nothing can be learned so.
        """
        torch.manual_seed(_seed(self._config.seed, number, self._processes.rank))  # dropout and the like
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.rate(number)
        self._optimizer.zero_grad()
        with explained(self._processes.device, compiled=self._config.compile):
            terms = self._gradients(batches)
        self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self._trained, self._config.optimizer.clip or math.inf)
        *values, size = torch.stack([*terms.values(), norm]).tolist()  # sync point: the step has been computed
        found = dict(zip(terms, values, strict=True))
        broken = [name for name, value in found.items() if not math.isfinite(value)]
        # A scaler finds its own way down, but at 1 and below its scale is not what was too much.
        if not broken and not math.isfinite(size) and self._scaler.get_scale() <= 1:
            broken = ["the gradient"]
        if self._processes.any(bool(broken)):
            self._skip(broken, number)
            return None
        self._skipped = 0
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.average.update(self.network, number)
        return found

    def _gradients(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Adds up the gradients of the mean loss; its terms, detached, float32."""
        dtype, device = _DTYPES[self._config.precision], self._processes.device
        found: dict[str, Tensor] = {}
        for position, batch in enumerate(batches):
            moved = batch.to(device)
            images = self._scaling(moved.images)
            with self._exchange(last=position == len(batches) - 1):
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    terms = self._recipe.losses(self._module, images, moved)
                if not any(term.requires_grad for term in terms.values()):
                    raise UsageError("no loss teaches what is trained", "raise a weight under loss:, or freeze: less")
                loss = torch.stack([term.float() for term in terms.values()]).sum() / len(batches)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            for name, term in terms.items():
                share = term.detach().float() / len(batches)
                found[name] = found[name] + share if name in found else share
        return found

    def _exchange(self, *, last: bool) -> AbstractContextManager[None]:
        """Gradients go to the other processes with the last batch of a step."""
        if last or not isinstance(self._module, DistributedDataParallel):
            return nullcontext()
        found: AbstractContextManager[None] = self._module.no_sync()
        return found

    def _skip(self, broken: Sequence[str], number: int) -> None:
        """Leaves the weights alone and mends what the forward pass has spoilt. Raises EngineError after too many."""
        self._optimizer.zero_grad()
        if self._scaler.is_enabled():
            self._scaler.update(self._scaler.get_scale() * self._scaler.get_backoff_factor())
        for buffer, kept in zip(self.network.buffers(), self.average.network.buffers(), strict=True):
            buffer.copy_(kept)  # statistics of norms: one batch that is not finite would spoil them for good
        self._skipped += 1
        if self._skipped >= MOST_SKIPPED:
            raise EngineError(
                f"training diverged: {', '.join(broken) or 'a loss of another process'} was not finite for"
                f" {MOST_SKIPPED} steps in a row, up to step {number}",
                "lower optimizer.learning_rate or raise warm_up_epochs, or train with precision: fp32",
            )

    def state(self) -> LearnerState:
        """For ``restore``; tensors are the learner's own."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "skipped": self._skipped,
        }

    def restore(self, state: LearnerState) -> None:
        """Goes on from there, as if nothing had happened in between. Raises UsageError where it is another network."""
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as fault:
            raise UsageError(
                "what was saved is not of this network: the classes of the sets have changed since",
                "bring them back, or start anew in another output, from last.pt (start:)",
            ) from fault
        self.average.network.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self._skipped = state["skipped"]


def _seed(*numbers: int) -> int:
    """One seed from several numbers, well mixed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
