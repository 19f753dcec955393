"""Every family there is. A new one is one file in this folder, one in ``training/foreign`` and a line here."""

from __future__ import annotations

from importlib import import_module

from contracts.card import InputCard
from contracts.errors import UsageError
from contracts.text import did_you_mean
from training.blueprint import Blueprint
from training.networks.network import Family, Network

FOREIGN = ("ayolom", "yolop", "yolov5", "ddrnet", "road_agents", "twinlitenet", "twinlitenetplus")
"""Those whose checkpoints other programs write; ``training/foreign`` recognises them."""
FAMILIES = (*FOREIGN, "roadnet", "classifier")


def family(name: str) -> Family:
    """The family of this name; raises UsageError."""
    if name not in FAMILIES:
        raise UsageError(f"no network family is called {name!r}", did_you_mean(name, FAMILIES))
    found: Family = import_module(f"training.networks.{name}").FAMILY
    return found


def build(blueprint: Blueprint) -> Network:
    """A network with fresh weights; raises UsageError where its family, variant or an option is unknown."""
    kind = family(blueprint.family)
    if kind.variants is not None and blueprint.variant not in kind.variants:
        raise UsageError(
            f"{kind.title} has no variant {blueprint.variant!r}", did_you_mean(blueprint.variant, kind.variants)
        )
    for option in blueprint.options:
        if option not in kind.options:
            cure = did_you_mean(option, kind.options) if kind.options else "leave it out: it has no options"
            raise UsageError(f"{kind.title} has no option {option!r}", cure)
    return kind.build(blueprint)


def usual_input(blueprint: Blueprint) -> InputCard:
    """How its authors feed this network, with the size they use; raises UsageError as ``build`` does."""
    kind = family(blueprint.family)
    return kind.input_of(blueprint.variant) if kind.input_of is not None else kind.input
