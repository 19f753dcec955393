"""What recipes let one say, what they refuse, and the values of the original programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UsageError
from tests.training.goldens import drawing_rule
from tests.training.losses.test_class_weights import Masks, mask
from tests.training.recipes.learning import network_and_recipe, roads
from training.networks.ayolom import Raw
from training.networks.ddrnet_classes import CITYSCAPES
from training.recipes.ddrnet import DDRNetRecipe
from training.recipes.twinlitenet import TwinLiteNetRecipe

BOXES = {"boxes": ("car", "bus")}
TWO_MASKS = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line")}
MAP = {"classes": ("road", "lane", "sky")}


@pytest.mark.parametrize(
    ("family", "variant", "classes", "loss", "said"),
    [
        ("ayolom", "p", BOXES, {"tverski": 1}, "tversky"),
        ("ayolom", "p", BOXES, {"boxes": -1}, "loss of ayolom: boxes: Input should be greater than or equal to 0"),
        ("ayolom", "p", BOXES, {"false": 1.5}, "less than or equal to 1"),
        ("ayolom", "p", BOXES, {"class_weights": {"buss": 2}}, "there is no class 'buss' → did you mean 'bus'"),
        ("ddrnet", "23-slim", MAP, {"kind": "dice"}, "'cross_entropy', 'ohem' or 'focal'"),
        ("ddrnet", "23-slim", MAP, {"class_weights": {"lanes": 2}}, "there is no class 'lanes' → did you mean 'lane'"),
        (
            "ddrnet",
            "23-slim",
            MAP,
            {"class_weights": "compute"},
            "class_weights: neither weights by name nor 'computed'",
        ),
        ("ddrnet", "23-slim", MAP, {"class_weights": {"lane": -2}}, "greater than or equal to 0"),
        ("ddrnet", "23-slim", MAP, {"auxiliary": 0.4}, "no auxiliary head → options: {auxiliary: true}"),
        ("ddrnet", "23-slim", MAP, {"gamma": 0.5}, "greater than or equal to 1"),
        ("twinlitenet", "standard", TWO_MASKS, {"lane": "much"}, "valid number"),
        ("yolov5", "n", {"boxes": ("car",)}, {}, "a yolov5 network cannot be trained here"),
    ],
)
def test_a_wrong_loss_is_a_usage_error(
    family: str, variant: str, classes: Mapping[str, tuple[str, ...]], loss: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as error:
        network_and_recipe(family, variant, classes, loss)
    assert said in str(error.value)


def test_a_head_that_weighs_nothing_is_not_taught() -> None:
    network, recipe = network_and_recipe("ayolom", "p", BOXES, {"boxes": 0, "drivable": 0})
    assert recipe.mask_heads == ("lane",)
    batch = roads(recipe, 64)
    terms = recipe.losses(network, batch.images.float() / 255, batch)
    assert terms.keys() == {"lane/tversky", "lane/focal"}
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    taught = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert taught == {"backbone", "lane_neck", "lane"}


def test_the_weight_of_a_task_scales_its_terms() -> None:
    network, plain = network_and_recipe("twinlitenetplus", "nano", TWO_MASKS, {})
    _, weighed = network_and_recipe("twinlitenetplus", "nano", TWO_MASKS, {"lane": 3})
    batch = roads(plain, 64)
    images = batch.images.float() / 255
    before, after = plain.losses(network, images, batch), weighed.losses(network, images, batch)
    for name, term in before.items():
        factor = 3 if name.startswith("lane") else 1
        assert float(after[name].detach()) == pytest.approx(factor * float(term.detach()), rel=1e-5)


def test_an_unlabelled_picture_changes_no_sum_of_a_mask() -> None:
    _, recipe = network_and_recipe("twinlitenet", "standard", TWO_MASKS, {})
    assert isinstance(recipe, TwinLiteNetRecipe)
    scores, labels = torch.randn(2, 2, 8, 8), torch.randint(0, 2, (2, 8, 8)).to(torch.uint8)
    labels[1] = 255
    both, one = recipe.mask_losses(scores, labels, 0.7), recipe.mask_losses(scores[:1], labels[:1], 0.7)
    assert [float(value) for value in both] == pytest.approx([float(value) for value in one])


def test_class_weights_are_computed_from_the_training_masks() -> None:
    _, recipe = network_and_recipe("ddrnet", "23-slim", MAP, {"class_weights": "computed"})
    _, given = network_and_recipe(
        "ddrnet",
        "23-slim",
        MAP,
        {"class_weights": {"road": 1 / np.log(1.52), "lane": 1 / np.log(1.02), "sky": 1 / np.log(1.52)}},
    )
    assert isinstance(recipe, DDRNetRecipe)
    assert isinstance(given, DDRNetRecipe)
    recipe.prepare(Masks([mask(0, 0, 0, 2, 2, 2), None]))
    logits, labels = torch.randn(1, 3, 2, 2), torch.randint(0, 3, (1, 8, 8)).to(torch.uint8)
    assert float(recipe.loss(logits, labels)) == pytest.approx(float(given.loss(logits, labels)), rel=1e-5)


def test_the_auxiliary_head_weighs_what_is_said() -> None:
    network, recipe = network_and_recipe("ddrnet", "23-slim", MAP, {"auxiliary": 0.0}, auxiliary=True)
    batch = roads(recipe, 64)
    assert recipe.losses(network, batch.images.float() / 255, batch).keys() == {"classes/main"}


class Drawn:
    """The values and inputs of ``goldens/losses.json``."""

    def __init__(self, shared: Path) -> None:
        self.values: dict[str, dict[str, float]] = json.loads((shared / "goldens/losses.json").read_text())
        self._rule = drawing_rule(shared)
        self.logits, self.auxiliary = self.normal("loss.logits", 2, 19), self.normal("loss.aux", 2, 19)
        labels = self._rule.stream("loss.labels").integers(0, 19, (2, 24, 32))
        labels[self._rule.stream("loss.ignore").random((2, 24, 32)) < 0.1] = 255
        self.labels = torch.from_numpy(labels.astype(np.uint8))

    def normal(self, name: str, spread: float, channels: int, rows: int = 24) -> Tensor:
        drawn = self._rule.stream(name).normal(0, spread, (2, channels, rows, 32))
        return torch.from_numpy(drawn.astype(np.float32))

    def mask(self, name: str) -> Tensor:
        return torch.from_numpy((self._rule.stream(name).random((2, 24, 32)) > 0.7).astype(np.uint8))


def ddrnet_recipe(loss: Mapping[str, Any]) -> DDRNetRecipe:
    _, recipe = network_and_recipe("ddrnet", "23-slim", {"classes": tuple(CITYSCAPES)}, loss)
    assert isinstance(recipe, DDRNetRecipe)
    return recipe


@pytest.mark.shared
@pytest.mark.parametrize(("kind", "golden"), [("cross_entropy", "ce"), ("ohem", "ohem"), ("focal", "focal_g2")])
def test_ddrnet_losses_are_those_of_a_published_training_program(shared: Path, kind: str, golden: str) -> None:
    drawn, recipe = Drawn(shared), ddrnet_recipe({"kind": kind})
    found = recipe.loss(drawn.logits, drawn.labels) + 0.4 * recipe.loss(drawn.auxiliary, drawn.labels)
    assert float(found) == pytest.approx(drawn.values["kcw"][golden], rel=1e-5)


@pytest.mark.shared
def test_ddrnet_losses_at_the_size_of_the_labels_are_those_of_another(shared: Path) -> None:
    drawn = Drawn(shared)
    labels = functional.interpolate(drawn.labels[:, None], scale_factor=2, mode="nearest")[:, 0]
    plain, hard = ddrnet_recipe({}), ddrnet_recipe({"kind": "ohem", "hard_below": 0.9})
    auxiliary, main = plain.loss(drawn.auxiliary, labels), plain.loss(drawn.logits, labels)
    assert float(auxiliary + 0.4 * main) == pytest.approx(drawn.values["chenjun"]["ce"], rel=1e-5)
    counted = (labels != 255).float().mean()  # there, the auxiliary mean is diluted by pixels that do not count
    found = counted * auxiliary + 0.4 * hard.loss(drawn.logits, labels)
    assert float(found) == pytest.approx(drawn.values["chenjun"]["ohem"], rel=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("family", "variant", "golden", "rows"),
    [("twinlitenet", "standard", "twinlite", 24), ("twinlitenetplus", "nano", "twinliteplus", 48)],
)
def test_twinlitenet_losses_are_those_of_its_authors(
    shared: Path, family: str, variant: str, golden: str, rows: int
) -> None:
    drawn = Drawn(shared)
    _, recipe = network_and_recipe(family, variant, TWO_MASKS, {})
    assert isinstance(recipe, TwinLiteNetRecipe)
    focal = tversky = 0.0
    for stream, false in (("da", 0.7), ("ll", 0.9)):
        padding = (rows - 24) // 2
        labels = functional.pad(drawn.mask(f"mask:{stream}"), (0, 0, padding, padding), value=255)
        found = recipe.mask_losses(drawn.normal(f"loss.{stream}", 1, 2, rows), labels, false)
        focal, tversky = focal + float(found[0]), tversky + float(found[1])
    assert focal == pytest.approx(drawn.values[golden]["focal"], rel=1e-5)
    assert tversky == pytest.approx(drawn.values[golden]["tversky"], rel=1e-5)


class Says(nn.Module):
    """A network that says always the same."""

    def __init__(self, raw: Raw) -> None:
        super().__init__()
        self._raw = raw

    def forward(self, images: Tensor) -> Raw:
        return self._raw


def test_ayolom_mask_losses_are_those_of_the_paper() -> None:
    _, recipe = network_and_recipe("ayolom", "p", BOXES, {"boxes": 0, "lane": 0})
    batch = roads(recipe, 64)
    scores = torch.randn(4, 2, 64, 64)
    terms = recipe.losses(Says(Raw((), scores, scores)), batch.images.float(), batch)

    mask = batch.masks["drivable"].numpy()
    found = false = missed = 0.0
    focal = []
    for channel in (0, 1):
        counted = mask != 255
        p, truth = scores[:, channel].sigmoid().double().numpy()[counted], mask[counted] == channel
        found, false, missed = found + p[truth].sum(), false + p[~truth].sum(), missed + (1 - p)[truth].sum()
        focal.append(np.where(truth, -0.25 * (1 - p) ** 2 * np.log(p), -0.75 * p**2 * np.log(1 - p)))
    index = (found + 1) / (found + 1 + 0.7 * missed + 0.3 * false)
    assert float(terms["drivable/tversky"]) == pytest.approx(8 * (1 - index), rel=1e-4)
    assert float(terms["drivable/focal"]) == pytest.approx(24 * np.mean(focal), rel=1e-4)


def test_ayolom_boxes_are_learned_where_they_are_decoded() -> None:
    network, recipe = network_and_recipe("ayolom", "p", BOXES, {"drivable": 0, "lane": 0})
    batch = roads(recipe, 64)
    images = batch.images.float() / 255
    network.eval()
    with torch.no_grad():
        before = recipe.losses(network, images, batch)
        decoded = network.plain(["boxes"])(images)[0]  # (B, 6, N): centre and size
    corners = torch.cat([decoded[:, :2] - decoded[:, 2:4] / 2, decoded[:, :2] + decoded[:, 2:4] / 2], 1).transpose(1, 2)
    place = int((corners[0] - batch.boxes[0]).abs().sum(1).argmin())
    nearer = replace(batch, boxes=torch.cat([corners[0, place][None], batch.boxes[1:]]))
    with torch.no_grad():
        after = recipe.losses(network, images, nearer)
    assert float(after["boxes/box"]) < float(before["boxes/box"])
