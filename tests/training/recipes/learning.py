"""Four small labelled pictures, and a training of a few steps on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sources.datasets.sample import Sample
from training.blueprint import Blueprint
from training.data.batch import Batch, collate
from training.networks.families import build
from training.networks.network import Network
from training.recipes.open import recipe_for
from training.recipes.recipe import Recipe


def road(index: int, size: int, class_ids: int = 1) -> Sample:
    """A grey road below a blue sky, a white line on it, a red car; bottom rows unlabelled as under padding."""
    picture = np.full((size, size, 3), (200, 150, 100), np.uint8)
    ids = np.zeros((size, size), np.uint8)
    horizon, line, car = size // 2, size // 4 + 4 * index, size // 3 + 3 * index
    picture[horizon:], ids[horizon:] = 90, 1
    picture[horizon:, line : line + 4], ids[horizon:, line : line + 4] = 250, 2
    picture[horizon - 12 : horizon + 12, car : car + 24] = (40, 40, 220)
    ids[-4:] = 255
    drivable, lane = np.where(ids == 2, 1, ids).astype(np.uint8), np.where(ids == 1, 0, ids == 2).astype(np.uint8)
    lane[-4:] = 255
    return Sample(
        name=str(index),
        picture=picture,
        boxes=np.array([[car, horizon - 12, car + 24, horizon + 12]], np.float32),
        class_ids=np.array([index % class_ids]),
        counts=np.ones(1, np.bool_),
        masks={"drivable": drivable, "lane": lane, "classes": ids},
    )


def network_and_recipe(
    family: str,
    variant: str,
    classes: Mapping[str, tuple[str, ...]],
    loss: Mapping[str, Any],
    **options: bool,
) -> tuple[Network, Recipe]:
    """Fresh ones, the same every time."""
    torch.manual_seed(0)
    network = build(Blueprint(family, variant, classes, options)).train()
    return network, recipe_for(network, family, loss)


def roads(recipe: Recipe, size: int) -> Batch:
    """All four."""
    return collate([road(index, size) for index in range(4)], recipe.mask_heads)


def learned(
    network: Network, recipe: Recipe, batch: Batch, steps: int = 30
) -> tuple[dict[str, float], dict[str, float]]:
    """The terms before the first and after the last step; fails where one is not finite."""
    images = batch.images.float() / 255
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    history: list[dict[str, float]] = []
    for _ in range(steps + 1):
        terms = recipe.losses(network, images, batch)
        history.append({name: float(term.detach()) for name, term in terms.items()})
        assert all(np.isfinite(value) for value in history[-1].values()), history[-1]
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
    return history[0], history[-1]
