"""Classifiers: how they learn, and what an export of them says in a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from contracts.config import EngineConfig
from contracts.errors import UsageError
from contracts.picture import Picture
from contracts.prediction import Classification
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from engines.onnxruntime import OnnxRuntimeEngine
from engines.prepare import Preparer
from sources.datasets.sample import LABEL, Sample
from tests.training.classifiers import COLOURS, classifier, settled
from training.blueprint import Blueprint, Checkpoint
from training.checkpoints import open_subject, save_checkpoint
from training.data.batch import Batch, collate
from training.export import export, torch_run
from training.networks.families import usual_input
from training.networks.network import Network
from training.order import Order
from training.recipes.classifier import ClassifierLoss, ClassifierRecipe

FRAMES = "synthetic:?size=160x96&seconds=8&fps=1"


# -- learning ----------------------------------------------------------------------------------------------------------


def batch_of(labels: list[int]) -> Batch:
    picture = np.zeros((32, 32, 3), np.uint8)
    return collate([Sample(f"{i}", picture, label=None if each < 0 else each) for i, each in enumerate(labels)], [])


class Fixed(nn.Module):
    """Gives these logits, whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


def slow_loss(logits: NDArray[Any], labels: list[int], smoothing: float, weights: list[float]) -> float:
    """Picture by picture."""
    total = counted = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        if label < 0:
            continue
        log_total = math.log(sum(math.exp(value) for value in row))
        for index, value in enumerate(row):
            target = smoothing / len(row) + (1 - smoothing) * (index == label)
            total += weights[label] * target * (log_total - value)
        counted += weights[label]
    return total / counted if counted else 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1, 2), min_size=1, max_size=6),
    st.floats(0, 0.9),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), min_size=2, max_size=2),
    st.integers(0, 99),
)
def test_the_loss_is_that_of_the_slow_reference(
    labels: list[int], smoothing: float, weights: list[float], seed: int
) -> None:
    logits = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(seed)) * 3
    options = ClassifierLoss(smoothing=smoothing, weights=dict(zip(COLOURS, weights, strict=False)))
    recipe, network, batch = ClassifierRecipe.build(classifier(), options), Fixed(logits), batch_of(labels)
    (name, loss), *others = recipe.losses(network, batch.images.float(), batch).items()
    assert (name, others) == (LABEL, [])
    expected = slow_loss(logits.double().numpy(), labels, smoothing, [*weights, 1.0])
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    loss.backward()  # type: ignore[no-untyped-call]
    assert network.logits.grad is not None
    assert torch.isfinite(network.logits.grad).all()


@pytest.mark.parametrize(
    ("weights", "message"), [({"gren": 2.0}, "no class 'gren'"), (dict.fromkeys(COLOURS, 0.0), "no class counts")]
)
def test_weights_of_no_class_are_an_error(weights: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ClassifierRecipe.build(classifier(), ClassifierLoss(weights=weights))


def square(index: int) -> Sample:
    """A square of one of three colours somewhere on a street of noise."""
    random = np.random.default_rng(index)
    picture = random.integers(40, 120, (64, 96, 3), np.uint8)
    x, y, side, label = *random.integers(0, 40, 2), random.integers(16, 24), index % 3
    picture[y : y + side, x : x + side] = 30
    picture[y : y + side, x : x + side, 2 - label] = random.integers(180, 255)  # BGR
    return Sample(f"{index}", picture, label=label)


def prepared(images: Tensor) -> Tensor:
    card = usual_input(Blueprint("classifier", "test_resnet", {}))
    mean, std = (torch.tensor(values)[:, None, None] for values in (card.mean, card.std))
    return (images.float() / card.scale - mean) / std


@pytest.fixture(scope="module")
def learnt() -> Network:
    """A small network after forty steps of a second's work."""
    network = classifier()
    recipe = ClassifierRecipe.build(network, ClassifierLoss())
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for step in range(40):
        batch = collate([square(index) for index in range(12 * step, 12 * step + 12)], [])
        (loss,) = recipe.losses(network, prepared(batch.images), batch).values()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def test_a_few_steps_are_enough_to_tell_colours(learnt: Network) -> None:
    batch = collate([square(index) for index in range(10_000, 10_090)], [])
    with torch.inference_mode():
        right = learnt(prepared(batch.images)).argmax(1) == batch.labels
    assert right.float().mean() > 0.9  # one answer for all: a third


# -- out of the house and into a run -----------------------------------------------------------------------------------


def test_an_export_of_what_was_learnt_names_the_colour_in_a_run(learnt: Network, tmp_path: Path) -> None:
    blueprint = learnt.blueprint
    card = usual_input(blueprint).model_copy(update={"size": (96, 96)})
    checkpoint = Checkpoint(blueprint, learnt.state_dict(), card, "squares", "Apache-2.0", epoch=1)
    save_checkpoint(checkpoint, tmp_path / "colours.pt")
    subject, said = open_subject(tmp_path / "colours.pt"), list[str]()
    assert "head label: classification, 3 classes (red, green, blue)" in subject.report
    report = export(subject, tmp_path / "colours.onnx", Order(batch="dynamic", sources=(FRAMES,)), said.append)
    assert {output.runtime for output in report.outputs if output.holds} == {"onnxruntime", "openvino"}
    engine = OnnxRuntimeEngine(EngineConfig(file=tmp_path / "colours.onnx", threads=1))
    try:
        (head,), preparer = engine.card.heads, Preparer(engine)
        for index in range(20_000, 20_009):
            sample = square(index)
            arrays, fit = preparer.prepare(Picture("bgr24", (sample.picture,)))
            ticket = engine.submit(arrays)
            part = open_head(head).decode(ticket.result(60), fit, (96, 64), Thresholds())
            ticket.close()
            assert isinstance(part, Classification)
            assert part.class_ids[0] == sample.label
            assert part.scores.sum() == pytest.approx(1, abs=1e-3)
    finally:
        engine.close()


@pytest.mark.parametrize(("variant", "size"), [("resnet10t", 64), ("test_efficientnet", 64), ("test_vit", 160)])
def test_exports_give_what_the_network_gives(variant: str, size: int, tmp_path: Path) -> None:
    network = settled(classifier(variant), size)
    card = usual_input(network.blueprint).model_copy(update={"size": (size, size)})
    save_checkpoint(Checkpoint(network.blueprint, network.state_dict(), card, "", ""), tmp_path / "net.pt")
    report = export(open_subject(tmp_path / "net.pt"), tmp_path / "net.onnx", Order(sources=(FRAMES,)), lambda _: None)
    assert [str(output) for output in report.outputs if not output.holds] == []
    images = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    engine = OnnxRuntimeEngine(EngineConfig(file=tmp_path / "net.onnx", threads=1))
    try:
        buffer = engine.buffer(engine.inputs[0])
        buffer[:] = images
        ticket = engine.submit({engine.inputs[0].name: buffer})
        np.testing.assert_allclose(
            ticket.result(60)[LABEL], torch_run(network.plain([LABEL]))(images)[LABEL], atol=1e-4
        )
        ticket.close()
    finally:
        engine.close()
