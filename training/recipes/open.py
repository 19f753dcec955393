"""Which recipe a family learns by. A new one is one file in this folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from contracts.errors import UsageError
from contracts.text import did_you_mean
from contracts.validation import validated
from training.networks.network import Network
from training.recipes.recipe import Recipe

RECIPES = {
    "ayolom": "training.recipes.ayolom.AYolomRecipe",
    "classifier": "training.recipes.classifier.ClassifierRecipe",
    "ddrnet": "training.recipes.ddrnet.DDRNetRecipe",
    "roadnet": "training.recipes.roadnet.RoadNetRecipe",
    "twinlitenet": "training.recipes.twinlitenet.TwinLiteNetRecipe",
    "twinlitenetplus": "training.recipes.twinlitenet.TwinLiteNetRecipe",
}
"""Family → its recipe; imported when it is wanted."""


def recipe_for(network: Network, family: str, loss: Mapping[str, Any]) -> Recipe:
    """The recipe of a network. loss: as in the configuration. Raises UsageError."""
    if family not in RECIPES:
        raise UsageError(f"a {family} network cannot be trained here", did_you_mean(family, RECIPES))
    module, _, name = RECIPES[family].rpartition(".")
    kind: type[Recipe] = getattr(import_module(module), name)
    return kind.build(network, validated(kind.options, dict(loss), f"loss of {family}", UsageError))
