"""timm's networks, which is where classifiers come from. The one file that imports timm."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import nn

from contracts.card import InputCard
from contracts.errors import SourceError, UsageError
from contracts.text import nearest


@cache
def names() -> frozenset[str]:
    """Names that can be built: architectures ("resnet18"), and those with published weights ("resnet18.a1_in1k")."""
    timm, encoders = _timm(), ("*_enc", "*_enc.*")  # of language models: they give features and have no classes
    return frozenset(
        name for known in (timm.list_models, timm.list_pretrained) for name in known(exclude_filters=encoders)
    )


def usual_input(name: str) -> InputCard:
    """How timm feeds this network: size, mean and std as published, but padded to a square, not cropped.

    Raises UsageError for a name that timm does not know.
    """
    facts = _facts(name)
    _, height, width = facts.input_size
    return InputCard(fit="letterbox", colour="rgb", mean=facts.mean, std=facts.std, size=(width, height))


def fixed_size(name: str) -> tuple[int, int] | None:
    """The only (width, height) that a network takes whose parts are tied to places (most transformers); else None."""
    facts = _facts(name)
    _, height, width = facts.input_size
    return (width, height) if facts.fixed_input_size else None


def backbone(name: str, classes: int, *, dropout: float = 0.0, pretrained: bool = False) -> nn.Module:
    """A network (B, 3, H, W) → logits (B, classes); timm's file of weights is fetched only where ``pretrained`` is.

    dropout: share of the last features that training leaves out. Raises UsageError (no such network, no published
    weights) and SourceError (the weights cannot be fetched).
    """
    _require_known(name)
    if pretrained and not _facts(name).has_weights:
        raise UsageError(f"timm has no published weights for {name}", "leave out pretrained, or take another variant")
    options = {"drop_rate": dropout} if dropout else {}
    try:
        made: nn.Module = _timm().create_model(name, pretrained=pretrained, num_classes=classes, **options)
    except (OSError, RuntimeError) as fault:  # what the hub's client raises when it does not get through
        if not pretrained:
            raise
        raise SourceError(
            f"the published weights of {name} cannot be fetched from timm's hub: {_first_line(fault)}",
            "connect once (they are kept), or leave out pretrained and give a checkpoint with start:",
        ) from fault
    return made


def merged(network: nn.Module) -> nn.Module:
    """The same network with the branches that only training needs summed into one convolution (RepVGG, MobileOne …).

    Exact up to float rounding. The network given is a module in eval mode, and is changed.
    """
    result: nn.Module = importlib.import_module("timm.utils").reparameterize_model(network)
    return result


def with_joined_norms(network: nn.Module) -> nn.Module:
    """The network, changed: its batch norms take their statistics over all processes.

    torch's own conversion would lose the activations that timm keeps within norms (EfficientNet, DenseNet …).
    """
    result: nn.Module = importlib.import_module("timm.layers").convert_sync_batchnorm(network)
    return result


def _facts(name: str) -> Any:
    """A ``PretrainedCfg`` of timm's: input_size (3, H, W), mean, std, fixed_input_size, has_weights."""
    _require_known(name)
    return _timm().get_pretrained_cfg(name)


def _require_known(name: str) -> None:
    """Only exact names: timm takes others for addresses and would fetch from there."""
    known = names()
    if name not in known:
        near = nearest(name, known)
        raise UsageError(
            f"timm has no classifier {name!r}",
            f"did you mean {near!r}?" if near else f"it knows {len(known)}, such as resnet18, efficientnet_b0",
        )


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__


@cache
def _timm() -> ModuleType:
    """The library, which imports torchvision. Raises UsageError where that fails."""
    # The hub's client would tell what is installed here with every request.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        _import_torchvision()
        return importlib.import_module("timm")
    except ImportError as fault:
        raise UsageError(
            f"classifiers are built with timm, which cannot be imported: {_first_line(fault)}", "pip install timm"
        ) from fault


def _import_torchvision() -> None:
    """Brings torchvision up also where its compiled operators cannot be loaded.

    That is so where its wheel was built for CUDA and torch is the CPU build. It then fails while it attaches to its
    operators for suppression, which do not exist. Nothing here calls them: to be declared is enough for them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as fault:
        if "torchvision::" not in str(fault):
            raise
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        importlib.import_module("torchvision")
