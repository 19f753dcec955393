"""Recipe: how one family learns. One file per family beside this one, one line in ``open.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from training.data.batch import Batch
from training.networks.network import Network


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
