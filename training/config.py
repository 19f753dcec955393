"""TrainConfig: one training, validated once at the door; YAML with these names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.card import InputCard
from training.augment.options import AugmentOptions

Positive = Annotated[int, Field(ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SetConfig(_Frozen):
    """One labelled set. Paths are relative to the working folder."""

    path: str = Field(description="folder or file of the set; synthetic:LOOK?… for the drive that RoadStream renders")
    layout: str = Field(description="how it lies on disk; a key of sources.datasets.open.LAYOUTS")
    split: str = Field("train", description="train, val or test, where the layout has them")
    weight: Annotated[float, Field(gt=0)] = Field(
        1.0, description="how often its samples are drawn, against other sets"
    )
    folder_weights: Mapping[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="the same per group of the set (a drive, a camera's folder); 1 where not named"
    )
    remap: Mapping[str, Mapping[str, Mapping[int, int]]] = Field(
        {}, description="head → folder (or '*') → {id in the files: id that is meant}"
    )
    classes: Mapping[str, tuple[str, ...]] = Field(
        {}, description="head → class names in the order of ids, where the set itself does not say them"
    )
    most: Positive | None = Field(None, description="only so many samples, evenly spread")


class OptimizerConfig(_Frozen):
    """Steps: which, how large, how they shrink."""

    name: Literal["sgd", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Nesterov's for sgd, beta1 for adamw."""
    warm_up_epochs: Annotated[float, Field(ge=0)] = 1.0
    schedule: Literal["cosine", "polynomial", "constant"] = "cosine"
    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the polynomial."""
    last_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the learning rate that is left at the end."""
    clip: Annotated[float, Field(gt=0)] | None = 10.0
    """Largest norm of all gradients together; None: not clipped."""


class TrainConfig(_Frozen):
    """Everything a training needs to know."""

    family: str = Field(description="a key of training.networks.families.FAMILIES")
    variant: str = Field(description="one of that family's")
    options: Mapping[str, bool | int | float | str] = Field({}, description="what else shapes the network")
    classes: Mapping[str, tuple[str, ...]] = Field({}, description="head → class names; else those of the data")
    input: InputCard | None = Field(
        None, description="how pictures are fed; what it leaves open is as the family's authors do"
    )
    start: Path | None = Field(None, description="checkpoint whose weights training starts from")
    licence: str = Field("", description="terms of the weights, as the card will have them")
    origin: str = Field("", description="what they were trained on, as the card will have it")

    train: tuple[SetConfig, ...] = Field(min_length=1)
    val: tuple[SetConfig, ...] = Field(min_length=1)
    epoch_samples: Positive | None = Field(None, description="samples drawn per epoch; else as many as there are")
    augment: AugmentOptions = AugmentOptions()
    loss: Mapping[str, Any] = Field({}, description="weights and choices of the family's losses")

    epochs: Positive = 100
    batch: Positive = 16
    accumulate: Positive = Field(1, description="batches per step")
    optimizer: OptimizerConfig = OptimizerConfig()
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="decay of averaged weights; 0: none")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = Field(
        False, description="let torch.compile fuse the network: half as fast again on a CPU, where a C++ compiler is"
    )
    freeze: tuple[str, ...] = Field((), description="parts of the network that stay as they are, by module name")
    freeze_norm: bool = Field(False, description="batch norms keep their statistics")
    patience: Positive | None = Field(None, description="validations without a better fitness before training ends")
    validate_every: Positive = Field(1, description="epochs between validations")
    fitness: Mapping[str, float] = Field(
        {}, description="head/figure → weight, what 'best' means; else the mean of each head's main one"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    workers: Annotated[int, Field(ge=0)] = Field(2, description="processes that read and augment")
    device: str = Field("auto", description="cpu, cuda, cuda:1 …; auto: cuda where there is one")
    threads: Positive | None = Field(None, description="CPU threads of torch; else its own choice")
    output: Path = Field(Path("runs/train"), description="folder for checkpoints, logs and plots")
