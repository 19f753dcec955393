"""Draws, schedule, average, optimizer, fitness, state: each against its definition."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from contracts.card import InputCard
from contracts.errors import UsageError
from engines.prepare import arithmetic
from training.blueprint import Blueprint
from training.config import OptimizerConfig
from training.loop.average import Average
from training.loop.curves import plot_curves
from training.loop.draws import Plan, drawn
from training.loop.fitness import fitness, watch_blindness
from training.loop.optimizer import new_optimizer
from training.loop.scaling import Scaling
from training.loop.schedule import Schedule
from training.loop.state import differences
from training.networks.families import FAMILIES, build, family
from training.networks.network import Network

CLASSES = {"drivable": ("other", "drivable"), "lane": ("other", "lane")}
WEIGHTS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0]), min_size=1, max_size=40).filter(any)


def tiny_network() -> Network:
    torch.manual_seed(3)
    return build(Blueprint("twinlitenetplus", "nano", CLASSES))


@given(WEIGHTS, st.integers(1, 100), st.integers(0, 2**32))
def test_each_sample_is_drawn_as_often_as_its_weight_says(weights: list[float], count: int, seed: int) -> None:
    found = drawn(np.array(weights), count, np.random.default_rng(seed))
    times = np.bincount(found, minlength=len(weights))
    wanted = np.array(weights) / sum(weights) * count
    assert len(found) == count
    assert (np.abs(times - wanted) < 1 + 1e-6).all()
    assert not times[np.array(weights) == 0].any()


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_with_equal_weights_each_is_drawn_once(count: int, seed: int) -> None:
    found = drawn(np.ones(count), count, np.random.default_rng(seed))
    assert sorted(found.tolist()) == list(range(count))


def plan(**changes: int) -> Plan:
    plain = {"samples": 10, "batch": 3, "accumulate": 2, "epochs": 3, "mosaic_epochs": 2, "seed": 5}
    return Plan(weights=np.ones(10), **{**plain, **changes})


def test_a_plan_from_any_step_is_the_rest_of_the_plan_from_the_start() -> None:
    whole = list(plan().batches(0))
    assert plan().steps == 2
    assert len(whole) == 3 * 2 * 2
    for epoch in range(3):
        for step in range(3):
            assert list(plan().batches(epoch, step)) == whole[(epoch * 2 + step) * 2 :]


def test_draws_are_numbered_through_and_mosaics_end() -> None:
    draws = [draw for batch in plan().batches(0) for draw in batch]
    assert [draw.number for draw in draws] == list(range(36))
    assert [draw.mosaic for draw in draws] == [True] * 24 + [False] * 12
    orders = {tuple(draw.index for batch in islice(plan().batches(epoch), 4) for draw in batch) for epoch in range(3)}
    assert len(orders) == 3
    assert plan(seed=6).batches(0) != plan().batches(0)


@given(st.sampled_from(["cosine", "polynomial", "constant"]), st.integers(2, 60), st.integers(0, 20), st.floats(0, 1))
def test_the_rate_follows_its_closed_formula(schedule: str, steps: int, warm_up: int, left: float) -> None:
    config = OptimizerConfig.model_validate({"schedule": schedule, "learning_rate": 0.5, "last_rate": left})
    found = [Schedule(config, steps, warm_up).rate(step) for step in range(steps)]
    for step, rate in enumerate(found):
        if step < warm_up:
            expected = 0.5 * (step + 1) / warm_up
        else:
            p = (step - warm_up) / max(steps - warm_up - 1, 1)
            expected = {
                "cosine": 0.5 * (left + (1 - left) * 0.5 * (1 + math.cos(math.pi * p))),
                "polynomial": 0.5 * (left + (1 - left) * (1 - p) ** 0.9),
                "constant": 0.5,
            }[schedule]
        assert rate == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if warm_up < steps - 1 and schedule != "constant":
        assert found[-1] == pytest.approx(0.5 * left, abs=1e-12)


def test_averaged_weights_are_the_recursion_written_out() -> None:
    network, decay = tiny_network(), 0.9
    average = Average(network, decay)
    slow = {key: tensor.double().clone() for key, tensor in network.state_dict().items()}
    for step in range(5):
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.add_(torch.randn_like(tensor) if tensor.is_floating_point() else 1)
        average.update(network, step)
        ramped = decay * (1 - math.exp(-(step + 1) / 2000))
        parameters = dict(network.named_parameters())
        for key, tensor in network.state_dict().items():
            slow[key] = ramped * slow[key] + (1 - ramped) * tensor if key in parameters else tensor.double().clone()
    for key, tensor in average.network.state_dict().items():
        assert torch.allclose(tensor.double(), slow[key], atol=1e-5), key


def test_norms_and_biases_are_not_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.PReLU(4), nn.Conv2d(4, 2, 1, bias=False))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1)
            parameter.grad = torch.zeros_like(parameter)
    new_optimizer(network, OptimizerConfig(name="adamw", learning_rate=0.1, weight_decay=0.5)).step()
    shrunk = {name for name, parameter in network.named_parameters() if bool((parameter < 1).all())}
    assert shrunk == {"0.weight", "3.weight"}


def test_frozen_parameters_are_not_in_the_optimizer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    network[0].requires_grad_(requires_grad=False)
    groups = new_optimizer(network, OptimizerConfig(name="sgd")).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


@settings(max_examples=20)
@given(st.sampled_from(["rgb", "bgr"]), st.floats(1, 255), st.floats(-1, 1), st.floats(0.1, 2))
def test_pixels_are_fed_as_a_run_feeds_them(colour: str, scale: float, mean: float, std: float) -> None:
    card = InputCard.model_validate({"colour": colour, "scale": scale, "mean": (mean, 0, 0.5), "std": (std, 1, 1)})
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 6)).astype(np.uint8)
    found = Scaling(card, torch.device("cpu"))(torch.from_numpy(pixels)).numpy()
    factor, offset = arithmetic(card)
    ordered = pixels if colour == "rgb" else pixels[:, ::-1]
    assert np.array_equal(found, ordered * factor[:, None, None] + offset[:, None, None])


FIGURES = {
    "boxes": {"map": 0.2, "map50": 0.4},
    "lane": {"iou": 0.3, "tolerant_iou": 0.6},
    "drivable": {"iou": 0.8},
    "signs": {"map50": math.nan},
}


def test_fitness_is_the_mean_of_main_figures_or_what_is_asked_for() -> None:
    assert fitness(FIGURES, {}) == pytest.approx((0.4 + 0.6 + 0.8) / 3)
    assert fitness(FIGURES, {"boxes/map": 2.0, "lane/iou": 1.0}) == pytest.approx(0.7)
    assert fitness({"signs": {"map50": math.nan}}, {}) == 0
    with pytest.raises(UsageError, match=r"no figure 'boxes/map5'.*'boxes/map"):
        fitness(FIGURES, {"boxes/map5": 1.0})
    with pytest.raises(UsageError) as caught:
        fitness(FIGURES, {"qqqqqqqq": 1.0})
    assert caught.value.cure == "HEAD/FIGURE, such as boxes/map50, lane/tolerant_iou, drivable/iou, signs/map50"


def test_a_blind_head_is_named_every_third_time_and_forgiven_when_it_sees() -> None:
    blind: dict[str, int] = {}
    dead = {"lane": {"tolerant_iou": 0.0}, "drivable": {"iou": 0.6}}
    said = [watch_blindness(blind, dead, frozenset()) for _ in range(6)]
    assert [len(lines) for lines in said] == [0, 0, 1, 0, 0, 1]
    assert "lane" in said[2][0]
    assert "tolerant_iou" in said[2][0]
    assert not watch_blindness(blind, {"lane": {"tolerant_iou": 0.5}}, frozenset())
    assert blind["lane"] == 0
    for _ in range(2):
        assert not watch_blindness(blind, {"drivable": {"iou": 0.4}}, frozenset({"drivable"}))
    assert watch_blindness(blind, {"drivable": {"iou": 0.4}}, frozenset({"drivable"}))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_refuses_options_it_does_not_know(name: str) -> None:
    kind = family(name)
    variant = kind.variants[0] if kind.variants else "resnet18"
    for option in ("foo", *(f"{known}s" for known in kind.options)):
        with pytest.raises(UsageError, match=f"no option '{option}'") as caught:
            build(Blueprint(name, variant, {}, {option: 1}))
        assert all(known in caught.value.cure for known in kind.options if option in ("foo", f"{known}s"))


def test_no_label_of_the_curves_is_cut_off(tmp_path: Path) -> None:
    """Ink at the picture's edge would be a label that goes on beyond it."""
    rows = [
        {"epoch": epoch, "loss/all": 1234.5 / epoch, "rate": 1e-5 * epoch, "boxes/map50": 0.1 * epoch, "lane/iou": 0.5}
        for epoch in (1.0, 2.0, 3.0)
    ]
    plot_curves(rows, tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_differences_are_named_by_their_place() -> None:
    one = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": 0}
    other = {"a": 1, "b": {"c": [1, 3], "d": {"x": 1}}, "f": 0}
    assert differences(one, other) == ["b.c", "b.d", "e", "f"]
