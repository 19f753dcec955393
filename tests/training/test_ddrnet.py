"""DDRNet: built, deployed and exported, against the original programs and slow references."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UsageError
from tests.training.ddrnets import (
    AUXILIARY,
    BIASED,
    GOLDENS,
    Options,
    Theirs,
    images,
    loaded,
    random_network,
    recognised,
)
from tests.training.goldens import Golden, parameters
from training.blueprint import Blueprint
from training.networks.bilinear import resized, resized_by_matrices
from training.networks.ddrnet import Logits
from training.networks.ddrnet_classes import CITYSCAPES
from training.networks.families import build
from training.networks.network import Deployed
from training.onnx_files import write_onnx
from training.runtimes import RUNTIMES
from training.tracing import traced

HEADS = ("classes",)
FLIPS = 1e-4
"""The largest share of pixels that may have another class after a rewrite or in another runtime."""


def run(network: Deployed, pictures: Tensor) -> Tensor:
    with torch.inference_mode():
        (result,) = network(pictures)
    assert isinstance(result, Tensor)
    return result


def flips(ids: object, wanted: object) -> float:
    one, other = np.asarray(ids), np.asarray(wanted)
    assert one.shape == other.shape
    return float((one != other).mean())


# The original programs


@pytest.mark.shared
@pytest.mark.parametrize(("name", "variant", "options", "count"), GOLDENS)
def test_goldens(shared: Path, name: str, variant: str, options: Options, count: int) -> None:
    """Recognised from keys and shapes, as many parameters, the same logits at the resolution they were trained at."""
    golden = Golden(shared, name)
    checkpoint = recognised(golden.state())
    assert (checkpoint.blueprint.variant, checkpoint.blueprint.options) == (variant, options)
    assert parameters(dict(checkpoint.state)) == count
    network = loaded(checkpoint)
    for case in golden.cases():
        with torch.inference_mode():
            logits: Logits = network(case.images)
        found = {"main": logits.main, "aux": logits.auxiliary}
        assert golden.outputs(case) <= set(found)
        for output in golden.outputs(case):
            value = found[output]
            assert value is not None
            assert golden.difference(case, output, value) < 2e-5


def in_runtimes(network: Deployed, pictures: Tensor, folder: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """(runtime, ids) of the exported network, checked to be uint8 (B, H, W)."""
    batch, _, height, width = pictures.shape
    file = folder / "network.onnx"
    write_onnx(traced(network, (width, height), batch), file)
    for runtime, opened in RUNTIMES.items():
        ids = opened(file)(pictures.numpy())["classes"]
        assert ids.dtype == np.uint8
        assert ids.shape == (batch, height, width)
        yield runtime, ids


# The deployed form


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        (Blueprint("ddrnet", "23-slim", {"classes": ("road", "other")}, {"align_corner": True}), "align_corners"),
        (Blueprint("ddrnet", "23-slim", {"classes": ("road", "other")}, {"output_stride": 4}), "8 or 1"),
        (Blueprint("ddrnet", "23-slim", {"classes": ("road",)}), "for 1 classes"),
        (Blueprint("ddrnet", "23-slim", {}), "for 0 classes"),
        (Blueprint("ddrnet", "23-slim", {"classes": ("x",) * 257}), "for 257 classes"),
    ],
)
def test_a_blueprint_that_cannot_be_built_is_refused(blueprint: Blueprint, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(blueprint)


@pytest.mark.parametrize(
    ("classes", "options"),
    [(19, {}), (19, BIASED | AUXILIARY), (2, {}), (3, {"align_corners": True})],
)
def test_deployed_ids_are_the_arg_max_of_the_plain_scores(classes: int, options: Options) -> None:
    network = random_network(classes, options)
    pictures = images(64, 128, batch=2)
    scores, ids = run(network.plain(HEADS), pictures), run(network.deployed(HEADS), pictures)
    assert scores.shape == (2, classes, 64, 128)
    assert ids.dtype == torch.uint8
    assert flips(ids, scores.argmax(1)) <= FLIPS
    assert len(np.unique(ids)) > 1


def test_deployed_leaves_the_network_as_it_is_and_drops_what_only_training_uses() -> None:
    network = random_network(19, AUXILIARY)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    kept = [key for key, _ in network.deployed(HEADS).named_parameters()]
    assert not any("auxiliary" in key for key in kept)
    norms = {key.rpartition(".")[0] for key in kept if "norm" in key}
    assert {key for key in norms if "pyramid" not in key} == {"network.head.norm1"}
    network.plain(HEADS)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_tie_goes_to_the_lower_id(tmp_path: Path) -> None:
    network = random_network(3)
    classifier = network.head.classifier
    assert isinstance(classifier, nn.Conv2d)
    assert classifier.bias is not None
    with torch.no_grad():
        classifier.weight[2] = classifier.weight[1]
        classifier.bias[2] = classifier.bias[1]
    deployed = network.deployed(HEADS)
    assert set(np.unique(run(deployed, images(64, 128)))) == {0, 1}
    for runtime, ids in in_runtimes(deployed, images(64, 128), tmp_path):
        assert set(np.unique(ids)) == {0, 1}, runtime


def test_a_tie_of_two_classes_is_the_background() -> None:
    network = random_network(2)
    for parameter in network.head[-1].parameters():
        nn.init.zeros_(parameter)
    assert not run(network.deployed(HEADS), images(64, 64)).any()


def test_the_fast_class_map_decides_at_an_eighth_and_repeats() -> None:
    network = random_network()
    pictures = images(64, 128)
    with torch.inference_mode():
        coarse = network(pictures).main.argmax(1).numpy()
    network.fast_class_map = True
    ids = run(network.deployed(HEADS), pictures)
    np.testing.assert_array_equal(ids.numpy(), coarse.repeat(8, axis=1).repeat(8, axis=2))


@pytest.mark.parametrize(
    ("classes", "fast", "options"),
    [(19, False, BIASED), (2, False, {}), (19, True, {})],
)
def test_exported_ids_are_the_same_in_both_runtimes(classes: int, fast: bool, options: Options, tmp_path: Path) -> None:
    network = random_network(classes, options)
    network.fast_class_map = fast
    deployed, pictures = network.deployed(HEADS), images(72, 136, batch=2)
    wanted = run(deployed, pictures)
    for runtime, ids in in_runtimes(deployed, pictures, tmp_path):
        assert flips(ids, wanted) <= FLIPS, runtime


def test_a_dynamic_batch_is_exported(tmp_path: Path) -> None:
    deployed = random_network(4).deployed(HEADS)
    file = tmp_path / "network.onnx"
    write_onnx(traced(deployed, (128, 64), "dynamic"), file)
    for opened in RUNTIMES.values():
        ids = opened(file)
        for batch in (1, 3):
            pictures = images(64, 128, batch)
            assert flips(ids(pictures.numpy())["classes"], run(deployed, pictures)) <= FLIPS


@pytest.mark.parametrize("options", [{}, BIASED])
def test_every_multiple_of_the_stride_works(options: Options) -> None:
    network = random_network(19, options)
    assert network.stride == (8, 8)
    plain, deployed = network.plain(HEADS), network.deployed(HEADS)
    for height, width in ((8, 8), (8, 72), (16, 264), (104, 56), (40, 200)):
        pictures = images(height, width)
        scores, ids = run(plain, pictures), run(deployed, pictures)
        assert scores.shape[2:] == ids.shape[1:] == (height, width)
        assert flips(ids, scores.argmax(1)) * height * width <= 1


def test_training_sees_logits_at_the_output_stride_and_every_weight_is_trained() -> None:
    for options, size in (({}, (8, 16)), (BIASED, (64, 128))):
        network = random_network(5, options | AUXILIARY).train()
        logits = network(images(64, 128, batch=2))
        assert logits.main.shape == logits.auxiliary.shape == (2, 5, *size)
        torch.autograd.backward([functional.softplus(value).sum() for value in logits])
        assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_the_card_of_its_head() -> None:
    (head,) = random_network(3).heads
    assert (head.name, head.kind, head.outputs, head.palette) == ("classes", "mask_ids", ("classes",), ())
    (head,) = loaded(recognised(Theirs("23-slim").state)).heads
    assert head.classes == tuple(CITYSCAPES)
    assert len(head.palette) == 19


# Bilinear resizing


@given(
    sizes=st.tuples(*[st.integers(1, 12)] * 2),
    factors=st.tuples(*[st.sampled_from((1, 1.5, 2, 7, 8))] * 2),
    align=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_matrices_resize_as_torch_does(sizes: tuple[int, int], factors: tuple[float, float], align: bool) -> None:
    features = torch.randn(2, 3, *sizes, generator=torch.Generator().manual_seed(5))
    height, width = (max(1, int(size * factor)) for size, factor in zip(sizes, factors, strict=True))
    like = torch.zeros(2, 1, height, width)
    wanted = resized(features, like, align_corners=align)
    found = resized_by_matrices(features, like, align_corners=align)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
