"""TwinLiteNet and TwinLiteNet+: the goldens, the deployed form, both runtimes, files of the authors' code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from contracts.errors import EngineError, UsageError
from tests.training.goldens import Golden, parameters
from tests.training.twinlitenets import (
    GOLDENS,
    HEADS,
    TOLERANCE,
    blueprint,
    flips,
    images,
    loaded,
    random_network,
    recognised,
    theirs,
)
from training.networks.blocks import folded
from training.networks.esp import Doubling, conv_norm_prelu
from training.networks.esp_deployed import MaskTail
from training.networks.families import build, family
from training.networks.negligible import NEGLIGIBLE, without_dead_channels, without_dust
from training.networks.twinlitenet import PositionAttention, TwinLiteNet
from training.order import fitting_size
from training.runtimes import RUNTIMES
from training.tracing import traced

VARIANTS = [variant for _, variant, _, _ in GOLDENS]
SMALLEST = ["standard", "nano"]
"""One of each family, for what does not depend on the width."""
NETWORKS = {variant: random_network(variant) for variant in SMALLEST}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "variant", "count", "entries"), GOLDENS)
def test_outputs_are_those_of_the_original(shared: Path, name: str, variant: str, count: int, entries: int) -> None:
    golden = Golden(shared, name)
    state = golden.state()
    checkpoint = recognised(state)
    assert checkpoint is not None
    assert checkpoint.blueprint.variant == variant
    network = loaded(checkpoint)
    assert parameters(network.state_dict()) == count == golden.facts["params_all"]
    assert len(network.state_dict()) == entries == len(state)
    for case in golden.cases():
        with torch.inference_mode():
            found = network(case.images)
        for output, scores in zip(("da", "ll"), found, strict=True):
            assert golden.difference(case, output, scores) < TOLERANCE[variant], (case.name, output)


@pytest.mark.shared
def test_published_weights_give_the_published_scores(shared: Path) -> None:
    facts = json.loads((shared / "goldens/twinlitenet-realweights.json").read_text())
    arrays = np.load(shared / "goldens/twinlitenet-realweights.npz")
    state = torch.load(shared / "weights/twinlitenet.pth", map_location="cpu", weights_only=True)
    checkpoint = recognised({key.removeprefix("module."): value for key, value in state.items()})
    assert checkpoint is not None
    case = next(case for case in Golden(shared, "twinlitenet").cases() if case.name == "360x640b1s1")  # same picture
    with torch.inference_mode():
        found = loaded(checkpoint)(case.images)
    for output, scores in zip(("da", "ll"), found, strict=True):
        largest = max(abs(facts[output]["min"]), abs(facts[output]["max"]))
        assert np.abs(scores.numpy().ravel()[::37] - arrays[output]).max() < 2e-5 * largest


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_builds_and_its_deployed_form_sees_the_same(variant: str) -> None:
    network = random_network(variant)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pictures = images(64, 96, batch=2)
    with torch.inference_mode():
        scores = network(pictures)
        plain, deployed = network.plain(HEADS)(pictures), network.deployed(HEADS)(pictures)
    for raw, same, mask in zip(scores, plain, deployed, strict=True):
        assert torch.equal(raw, same)
        assert mask.dtype == torch.uint8
        assert mask.shape == (2, 64, 96)
        assert 0.02 < mask.float().mean() < 0.98, "the case says nothing"
        assert flips(raw, mask) <= 1e-4
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items()), "left as it was"


@pytest.mark.parametrize("variant", SMALLEST)
@pytest.mark.parametrize("head", HEADS)
def test_one_head_alone_is_the_same_without_the_weights_of_the_other(variant: str, head: str) -> None:
    network, pictures = random_network(variant), images(64, 96)
    alone, both = network.deployed((head,)), network.deployed(HEADS)
    assert alone.names == (head,)
    assert not [name for name, _ in alone.named_parameters() if any(other in name for other in set(HEADS) - {head})]
    with torch.inference_mode():
        assert torch.equal(alone(pictures)[0], both(pictures)[HEADS.index(head)])


@pytest.mark.parametrize("variant", SMALLEST)
def test_both_runtimes_give_the_same_masks(tmp_path: Path, variant: str) -> None:
    network = random_network(variant)
    file = tmp_path / "network.onnx"
    file.write_bytes(traced(network.deployed(HEADS), (96, 64), "dynamic").SerializeToString())
    runs = [open_in(file) for open_in in RUNTIMES.values()]
    for batch in (1, 3):
        pictures = images(64, 96, batch)
        with torch.inference_mode():
            scores = network(pictures)
        first, second = (run(pictures.numpy()) for run in runs)
        for head, raw in zip(HEADS, scores, strict=True):
            assert first[head].shape == (batch, 64, 96)
            assert np.mean(first[head] != second[head]) <= 1e-4
            assert flips(raw, torch.from_numpy(first[head].copy())) <= 1e-4


@pytest.mark.parametrize(
    ("name", "size", "wrong"),
    [
        ("twinlitenet", (640, 360), (640, 365)),
        ("twinlitenet", (640, 360), (636, 360)),
        ("twinlitenetplus", (640, 384), (640, 360)),
        ("twinlitenetplus", (640, 384), (624, 384)),
    ],
)
def test_sizes_that_the_strides_do_not_divide_are_refused(
    name: str, size: tuple[int, int], wrong: tuple[int, int]
) -> None:
    stride = build(blueprint("standard" if name == "twinlitenet" else "nano")).stride
    assert fitting_size(family(name).input.size, stride) == size
    with pytest.raises(UsageError, match=f"not at {wrong[0]}x{wrong[1]}.*--size"):
        fitting_size(wrong, stride)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(SMALLEST), st.integers(1, 5), st.integers(1, 5))
def test_masks_have_the_size_of_every_input_that_the_strides_divide(variant: str, columns: int, rows: int) -> None:
    network = NETWORKS[variant]
    width, height = columns * network.stride[0], rows * network.stride[1]
    with torch.inference_mode():
        for mask in network.deployed(HEADS)(images(height, width)):
            assert mask.shape == (1, height, width)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.booleans(), st.integers(0, 2**16))
def test_the_tail_on_patches_is_the_tail_at_full_size(
    channels: int, rows: int, columns: int, refined: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    doubling, refine = Doubling(channels, 2), conv_norm_prelu(2, 2, 3)
    with torch.no_grad():
        for parameter in (*doubling.eval().parameters(), *refine.eval().parameters()):
            parameter.normal_()
    features = torch.randn(2, channels, rows, columns)
    plain: nn.Module = nn.Sequential(doubling, refine) if refined else doubling
    tail = MaskTail(folded(doubling), folded(refine) if refined else None)
    with torch.inference_mode():
        scores = plain(features)
        certain = (scores[:, 1] - scores[:, 0]).abs() > 1e-4 * scores.abs().max()
        assert torch.equal(tail(features)[certain], (scores[:, 1] > scores[:, 0])[certain])


def test_a_tie_is_background() -> None:
    doubling = Doubling(1, 2).eval()
    with torch.no_grad():
        doubling.convolution.weight.fill_(1)
    tail = MaskTail(folded(doubling))
    with torch.inference_mode():
        assert not tail(torch.ones(1, 1, 2, 2)).any()


class TestWhatIsTooSmallToMatter:
    """Dust, dead channels, idle attention: what weight decay leaves in published files."""

    def test_dead_channels_go_and_nothing_changes(self) -> None:
        network = random_network("standard")
        assert isinstance(network, TwinLiteNet)
        with torch.no_grad():
            for where, dead in (("encoder.merge_quarter", 70), ("decoders.lane.to_quarter", 9)):
                norm = network.get_submodule(f"{where}.norm")
                assert isinstance(norm, nn.BatchNorm2d)
                norm.weight[:dead], norm.bias[:dead] = 1e-41, -1e-41
                norm.weight[dead], norm.bias[dead] = 1e-3, 0  # small, and yet it counts
        deployed, pictures = network.deployed(HEADS), images(64, 96)
        shapes = {name: tuple(value.shape) for name, value in deployed.named_parameters()}
        assert shapes["encoder.merge_quarter.convolution.weight"] == (61, 131, 3, 3)
        assert shapes["encoder.down_deep.reduce.weight"] == (25, 61, 3, 3)
        assert shapes["decoders.lane.to_quarter.convolution.weight"] == (32, 7, 2, 2)
        assert shapes["decoders.drivable.to_quarter.convolution.weight"] == (32, 16, 2, 2)
        with torch.inference_mode():
            for raw, mask in zip(network(pictures), deployed(pictures), strict=True):
                assert flips(raw, mask) <= 1e-4

    def test_one_channel_is_kept_where_all_are_dead(self) -> None:
        producer, activation, consumer = nn.Conv2d(3, 5, 1), nn.PReLU(5), nn.Conv2d(5, 2, 1)
        with torch.no_grad():
            producer.weight.zero_()
            assert producer.bias is not None
            producer.bias.zero_()
        before = consumer(torch.zeros(1, 5, 2, 2))
        without_dead_channels(producer, activation, consumer)
        assert producer.weight.shape[0] == consumer.weight.shape[1] == activation.num_parameters == 1
        assert torch.equal(consumer(activation(producer(torch.rand(1, 3, 2, 2)))), before)

    def test_dust_becomes_zero_and_all_else_stays(self) -> None:
        layer = nn.Linear(4, 1, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1e-40, -NEGLIGIBLE, 2 * NEGLIGIBLE, -1e-3]]))
        without_dust(layer)
        assert layer.weight.tolist() == torch.tensor([[0, 0, 2 * NEGLIGIBLE, -1e-3]]).tolist()

    @pytest.mark.parametrize(
        ("gain", "values", "idle"),
        [(0.0, 1.0, True), (-4e-20, 1.0, True), (4e-20, 1e9, False), (1e-3, 1.0, False), (-1e-3, 1.0, False)],
    )
    def test_position_attention_goes_where_it_does_nothing(self, gain: float, values: float, idle: bool) -> None:
        network = random_network("standard")
        assert isinstance(network, TwinLiteNet)
        attention = network.attention.position
        assert isinstance(attention, PositionAttention)
        with torch.no_grad():
            attention.gain.fill_(gain)
            attention.value.weight.mul_(values)
        assert attention.is_idle is idle
        kept = [name for name, _ in network.deployed(HEADS).named_parameters() if "attention.position.value" in name]
        assert bool(kept) is not idle

    def test_an_idle_attention_gives_what_comes_in(self) -> None:
        attention = PositionAttention(16)
        with torch.no_grad():
            attention.gain.fill_(-4e-20)
        features = torch.randn(1, 16, 5, 7)
        assert torch.equal(attention(features), features)


class TestTheirFiles:
    """State dicts under the authors' names."""

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_are_recognised_and_renamed_one_to_one(self, variant: str) -> None:
        network = random_network(variant)
        state = theirs(network)
        assert len(state) == len(network.state_dict())
        checkpoint = recognised(state, epoch=99)
        assert checkpoint is not None
        assert checkpoint.blueprint == network.blueprint
        assert checkpoint.epoch == 99
        assert checkpoint.licence == "MIT"
        for key, value in network.state_dict().items():
            assert torch.equal(checkpoint.state[key], value), key

    @pytest.mark.parametrize("epoch", [None, -1, True, "12", 3.5])
    def test_an_epoch_that_is_none_is_not_made_up(self, epoch: object) -> None:
        checkpoint = recognised(theirs(random_network("nano")), epoch=epoch)
        assert checkpoint is not None
        assert checkpoint.epoch is None

    @pytest.mark.parametrize("prefix", ["encoder.", "caam.", "up_1_"])
    def test_another_family_is_left_to_others(self, prefix: str) -> None:
        state = {key: value for key, value in theirs(random_network("nano")).items() if not key.startswith(prefix)}
        assert recognised(state) is None
        assert recognised({"model.0.conv.weight": torch.zeros(1)}) is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda state: state.pop("encoder.b2.conv.weight"),
                r"1 tensor is missing, first: encoder\.b2\.conv\.weight",
            ),
            (
                lambda state: state.update({"extra.weight": torch.zeros(1)}),
                r"1 tensor is unknown, first: extra\.weight",
            ),
            (
                lambda state: state.update({"encoder.b1.bn.bias": torch.zeros(20)}),
                r"1 tensor is of another shape, first: encoder\.b1\.bn\.bias \[20\] instead of \[19\]",
            ),
        ],
    )
    def test_a_damaged_one_is_refused_by_the_tensor(self, change: object, message: str) -> None:
        state = theirs(random_network("standard"))
        change(state)  # type: ignore[operator]
        with pytest.raises(EngineError, match=f"of TwinLiteNet standard, but {message}"):
            recognised(state)
