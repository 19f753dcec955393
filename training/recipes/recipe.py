"""Recipe: how one family learns. One file per family beside this one, one line in ``open.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.datasets.sample import SampleSet
from training.data.batch import Batch
from training.networks.network import Network

Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Focus = Annotated[float, Field(ge=1)]
"""An exponent; below 1 its gradient has no limit where a loss is 0."""


class LossOptions(BaseModel):
    """What ``loss:`` in a training configuration may say for one family; each recipe extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recipe(ABC):
    """The losses of one family.

    options: its LossOptions class; the configuration's ``loss:`` is validated with it. mask_heads: names of the masks
    that must be in the batch.
    """

    options: ClassVar[type[LossOptions]]
    mask_heads: tuple[str, ...] = ()

    def prepare(self, samples: SampleSet) -> None:  # noqa: B027 (most recipes have nothing to learn from the set)
        """Called once before the first step, also of a training that goes on, with what is trained on.

        Must leave the same behind for the same samples. Raises SourceError where one cannot be read.
        """

    @abstractmethod
    def losses(self, network: nn.Module, images: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Runs the network and gives weighted scalar terms by name; training minimises their sum.

        network: in training mode, perhaps wrapped for several GPUs, so only to be called. images: float32
        (B, 3, H, W), prepared as the card says. Names start with the head they teach ("boxes", "drivable", …).
        """

    @staticmethod
    @abstractmethod
    def build(network: Network, options: LossOptions) -> Recipe:
        """A recipe for this network; options is an instance of ``options``. Raises UsageError."""


def class_weights(named: Mapping[str, float], classes: Sequence[str]) -> tuple[float, ...]:
    """One weight per class, 1 where none is named. Raises UsageError for a class that there is not."""
    for name in named:
        if name not in classes:
            raise UsageError(f"loss: class_weights: there is no class {name!r}", did_you_mean(name, classes))
    return tuple(named.get(name, 1.0) for name in classes)
