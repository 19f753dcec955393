"""The network as training begins: built for the classes of the data, started from a checkpoint, partly held still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from contracts.card import InputCard
from contracts.errors import EngineError, UsageError
from contracts.text import did_you_mean
from training.blueprint import PRETRAINED, Blueprint
from training.checkpoints import read_checkpoint
from training.config import TrainConfig
from training.networks.families import build, usual_input
from training.networks.network import Network
from training.order import fitting_size

Say = Callable[[str], None]


def new_network(config: TrainConfig, data_classes: Mapping[str, tuple[str, ...]], say: Say) -> Network:
    """A network with fresh weights (by the seed), or those of ``config.start``. Raises UsageError, EngineError."""
    blueprint = _blueprint(config, data_classes)
    torch.manual_seed(config.seed)
    network = build(blueprint)
    if config.start is not None:
        _start_from(network, config.start, say)
    return network


def without_start(config: TrainConfig) -> TrainConfig:
    """The same without the weights it starts from: a training that goes on brings its own, and they may be gone."""
    options = {name: value for name, value in config.options.items() if name != PRETRAINED}
    return config.model_copy(update={"start": None, "options": options})


def with_input(config: TrainConfig) -> TrainConfig:
    """The same, with all of ``input`` said: what it leaves open is as the family's authors do it. Raises UsageError."""
    usual = usual_input(Blueprint(config.family, config.variant, {}, config.options))
    given = config.input or InputCard()
    said = {key: value for key in given.model_fields_set if (value := getattr(given, key)) is not None}
    return config.model_copy(update={"input": usual.model_copy(update=said)})


def sized_input(config: TrainConfig, network: Network) -> InputCard:
    """How pictures are fed, with a size that the network's strides divide. Raises UsageError."""
    assert config.input is not None
    try:
        size = fitting_size(config.input.size, network.stride)
    except UsageError as fault:
        raise UsageError(fault.message, fault.cure.replace("--size ", "input.size ")) from fault
    return config.input.model_copy(update={"size": size, "name": None})


def _blueprint(config: TrainConfig, data_classes: Mapping[str, tuple[str, ...]]) -> Blueprint:
    """Classes of the configuration, else of the data, for the heads that this family has. Raises UsageError."""
    classes = {**data_classes, **config.classes}
    for head, names in data_classes.items():
        if len(classes[head]) != len(names):
            raise UsageError(
                f"classes: {head!r} has {len(classes[head])} names, the data has {len(names)}: {', '.join(names)}",
                "bring ids together with remap: of the set",
            )
    try:
        with torch.device("meta"):
            heads = [
                head.name for head in build(Blueprint(config.family, config.variant, classes, config.options)).heads
            ]
    except KeyError as fault:
        raise UsageError(
            f"{config.family} needs the classes of {fault}, and neither the data nor classes: has them",
            f"the data has: {', '.join(data_classes) or 'none'}",
        ) from fault
    needed = {head: names for head, names in classes.items() if head in heads or head in config.classes}
    return Blueprint(config.family, config.variant, needed, config.options)


def _start_from(network: Network, path: Path, say: Say) -> None:
    """Takes every tensor of the checkpoint that fits; says which do not. Raises EngineError where none does."""
    wanted, found = network.state_dict(), read_checkpoint(path).state
    fitting = {key: found[key] for key in wanted if key in found and found[key].shape == wanted[key].shape}
    if not any(key.endswith("weight") for key in fitting):
        raise EngineError(f"no weights of {path} fit this network", "start from a checkpoint of the same family")
    network.load_state_dict(fitting, strict=False)
    fresh = [key for key in wanted if key not in fitting]
    say(f"start: {len(fitting)} of {len(wanted)} tensors from {path}" + (f"; fresh: {_parts(fresh)}" if fresh else ""))


def _parts(keys: Sequence[str]) -> str:
    """The modules these tensors are in, two levels deep."""
    return ", ".join(dict.fromkeys(".".join(key.split(".")[:2]) for key in keys))


def hold_still(network: Network, parts: Sequence[str]) -> None:
    """Parameters of these modules are not trained. Raises UsageError for a name that no module has."""
    modules = dict(network.named_modules())
    for part in parts:
        if part not in modules:
            raise UsageError(f"freeze: the network has no part {part!r}", did_you_mean(part, _shallow(modules)))
        modules[part].requires_grad_(requires_grad=False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError("freeze: nothing is left to train", "leave a part out of freeze:")


def _shallow(names: Mapping[str, nn.Module]) -> list[str]:
    return [name for name in names if name and name.count(".") < 2]


def to_training_mode(network: nn.Module, parts: Sequence[str], *, norms: bool) -> None:
    """Training mode, but batch norms of these parts (norms: all) keep and use the statistics they have."""
    network.train()
    for name, module in network.named_modules():
        held = norms or any(name == part or name.startswith(f"{part}.") for part in parts)
        if held and isinstance(module, _BatchNorm):
            module.eval()
