"""Which layers are left float first, on graphs drawn by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.quantise_onnx import OnnxTarget
from training.quantise_openvino import OpenVinoTarget
from training.sensitive import Graph, Node, by_added_noise

# in → A → act → B ─┬→ C → sigmoid → scores
#                   ├→ D → E ─┐
#                   └─────────┴→ sum → boxes          (capitals: layers with weights)
GRAPH = Graph(
    {
        "A": Node(True, ()),
        "act": Node(False, ("A",)),
        "B": Node(True, ("act",)),
        "C": Node(True, ("B",)),
        "sigmoid": Node(False, ("C",)),
        "D": Node(True, ("B",)),
        "E": Node(True, ("D",)),
        "sum": Node(False, ("E", "B")),
    },
    {"scores": "sigmoid", "boxes": "sum"},
)


@pytest.mark.parametrize(
    ("output", "depth", "expected"),
    [
        ("scores", 0, "sigmoid"),
        ("scores", 1, "sigmoid C"),
        ("scores", 2, "sigmoid C B act"),
        ("scores", 3, "sigmoid C B act A"),
        ("boxes", 0, "sum"),
        ("boxes", 1, "sum E B act"),  # the short way round counts
        ("boxes", 2, "sum E B act A D"),
        ("boxes", 9, "sum E B act A D"),
    ],
)
def test_distance_counts_layers_with_weights(output: str, depth: int, expected: str) -> None:
    assert GRAPH.near(output, depth) == frozenset(expected.split())


@pytest.mark.parametrize(("layer", "expected"), [("A", ""), ("B", "A"), ("C", "B"), ("E", "D")])
def test_feeders_are_the_next_layers_with_weights(layer: str, expected: str) -> None:
    assert GRAPH.feeders(layer) == frozenset(expected.split())


def test_a_layer_is_blamed_for_its_own_noise_and_not_for_what_it_was_fed() -> None:
    """B is the culprit; C and D, which only pass its noise on, are not."""
    amounts = {"A": 0.01, "B": 0.3, "C": 0.31, "D": 0.3, "E": 0.33}

    def plain(tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict.fromkeys(amounts, tensor)

    def noisy(tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        noise = np.random.default_rng(1).normal(size=tensor.shape).astype(np.float32)
        return {layer: tensor + np.sqrt(np.float32(amount)) * noise for layer, amount in amounts.items()}

    frames = np.random.default_rng(0).normal(size=(3, 1, 4, 32, 32)).astype(np.float32)
    assert by_added_noise(GRAPH, plain, noisy, frames)[:2] == ["B", "E"]


def test_a_ruined_channel_counts_beside_a_loud_one() -> None:
    """Two channels, one ten thousand times as loud: nothing is left of the other, and that is seen."""
    rng = np.random.default_rng(0)
    frame = (rng.normal(size=(1, 2, 16, 16)) * np.array([1e4, 1]).reshape(1, 2, 1, 1)).astype(np.float32)
    ruined = frame.copy()
    ruined[:, 1] = 0
    graph = Graph({"loud": Node(True, ()), "quiet": Node(True, ())}, {})
    order = by_added_noise(
        graph,
        lambda tensor: {"loud": tensor, "quiet": tensor},
        lambda tensor: {"loud": tensor * np.float32(1.001), "quiet": ruined},
        [frame],
    )
    assert order == ["quiet", "loud"]


def test_attention_is_no_layer_with_weights(tmp_path: Path) -> None:
    """The same small attention in both forms (OpenVINO names what makes an output after it)."""
    values = np.ones((1, 1, 4, 4), np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["query"], "linear"),
        helper.make_node("Relu", ["query"], ["key"], "relu"),
        helper.make_node("MatMul", ["query", "key"], ["y"], "y"),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, values.shape)]
    graph = helper.make_graph(nodes, "tiny", given, out, [numpy_helper.from_array(values, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    for found in (OnnxTarget(model).graph, OpenVinoTarget(tmp_path / "net.onnx").graph):
        assert found.weighted() == ("linear",)
        assert found.near("y", 1) == {"y", "relu", "linear"}
