"""ONNX networks made by hand: a convolution, then what a test is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from contracts.card import Card, HeadCard, InputCard
from training.onnx_files import with_card

Dims = Sequence[int | str]
node = helper.make_node
DRIVABLE = HeadCard(name="drivable", kind="two_class_mask", outputs=("da",), role="drivable")
LANE = HeadCard(name="lane", kind="two_class_mask", outputs=("ll",), role="lane")


def model_of(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, NDArray[np.generic]],
    outputs: Mapping[str, tuple[int, Dims]],
    dims: Dims = (1, 3, 32, 48),
) -> ModelProto:
    """A checked network with the input ``images`` float32; outputs: name → (type, sizes)."""
    graph = helper.make_graph(
        list(nodes),
        "hand",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, list(dims))],
        [helper.make_tensor_value_info(name, kind, list(sizes)) for name, (kind, sizes) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def two_masks(
    path: Path,
    dims: Dims = (1, 3, 32, 48),
    *,
    built_in: str = "",
    card: Card | None = None,
    card_inside: bool = True,
    weight: float = 1.0,
    names: tuple[str, str] = ("da", "ll"),
) -> Path:
    """Masks ``names`` (B, 2, H, W) behind convolutions of their own and a common one.

    built_in: "resize" (the first mask's size is a constant), "reshape" (so is its whole shape), "pixels" (there is a
    constant for every pixel).
    """
    rng = np.random.default_rng(5)
    constants: dict[str, NDArray[np.generic]] = {
        "w0": (rng.normal(size=(8, 3, 3, 3)) / 3).astype(np.float32) * np.float32(weight),
        "w1": rng.normal(size=(2, 8, 1, 1)).astype(np.float32),
        "w2": rng.normal(size=(2, 8, 1, 1)).astype(np.float32),
        "one": np.array([1, 1, 1, 1], np.float32),
        "sizes": np.array([1, 2, dims[2], dims[3]] if built_in in ("resize", "reshape") else [], np.int64),
        **(_pixels(dims) if built_in == "pixels" else {}),
    }
    nodes = [
        node("Conv", ["images", "w0"], ["common"], pads=[1, 1, 1, 1]),
        node("Relu", ["common"], ["active"]),
        node("Conv", ["active", "w1"], ["da_raw"]),
        node("Conv", ["active", "w2"], ["ll_raw"]),
        *_last(built_in, names[0]),
        node("Sigmoid", ["ll_raw"], [names[1]]),
    ]
    sizes = (dims[0], 2, dims[2], dims[3])
    model = model_of(nodes, constants, dict.fromkeys(names, (TensorProto.FLOAT, sizes)), dims)
    inside = card or Card(name="two", input=InputCard(fit="stretch"), heads=(DRIVABLE, LANE), origin="a test")
    if card_inside:
        with_card(model, inside)
    onnx.save(model, path)
    return path


def _pixels(dims: Dims) -> dict[str, NDArray[np.generic]]:
    count = int(dims[2]) * int(dims[3])
    return {
        "flat": np.array([0, 0, -1], np.int64),
        "places": np.linspace(-1, 1, 2 * count, dtype=np.float32).reshape(1, 2, count),
    }


def _last(built_in: str, name: str) -> list[NodeProto]:
    if built_in == "resize":
        return [node("Resize", ["da_raw", "", "", "sizes"], [name], mode="nearest")]
    if built_in == "reshape":
        return [node("Reshape", ["da_raw", "sizes"], [name])]
    if built_in == "pixels":
        return [
            node("Shape", ["da_raw"], ["shape"]),
            node("Reshape", ["da_raw", "flat"], ["rows"]),
            node("Add", ["rows", "places"], ["placed"]),
            node("Reshape", ["placed", "shape"], [name]),
        ]
    return [node("Resize", ["da_raw", "", "one"], [name], mode="nearest")]
