"""Every family learns four pictures by heart a little: thirty steps lower each of its losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from tests.training.recipes.learning import learned, network_and_recipe, roads

BOXES = {"boxes": ("vehicle",)}
TWO_MASKS = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line")}
MAP = {"classes": ("other", "road", "lane line")}


@pytest.mark.parametrize(
    ("kind", "classes", "size", "options", "loss"),
    [
        ("ayolom p", BOXES, 96, {}, {}),
        ("ddrnet 23-slim", MAP, 64, {"auxiliary": True}, {}),
        ("ddrnet 23-slim", MAP, 64, {"auxiliary": True, "output_stride": 1}, {"kind": "ohem"}),
        ("ddrnet 23-slim", MAP, 64, {}, {"kind": "focal", "class_weights": {"lane line": 4}}),
        ("twinlitenet standard", TWO_MASKS, 64, {}, {}),
        ("twinlitenetplus nano", TWO_MASKS, 64, {}, {}),
    ],
)
def test_every_term_falls(
    kind: str,
    classes: Mapping[str, tuple[str, ...]],
    size: int,
    options: Mapping[str, bool],
    loss: Mapping[str, Any],
) -> None:
    family, variant = kind.split()
    network, recipe = network_and_recipe(family, variant, classes, loss, **options)
    first, last = learned(network, recipe, roads(recipe, size))
    assert first.keys() == last.keys()
    assert sum(last.values()) < 0.7 * sum(first.values())
    for name in first:
        assert last[name] < first[name], name


def test_half_precision_gives_nearly_the_same() -> None:
    network, recipe = network_and_recipe("ayolom", "p", BOXES, {})
    batch = roads(recipe, 64)
    images = batch.images.float() / 255
    exact = recipe.losses(network, images, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = recipe.losses(network, images, batch)
    for name, term in rough.items():
        assert term.dtype == torch.float32
        assert float(term.detach()) == pytest.approx(float(exact[name].detach()), rel=0.1), name
