"""Small generator networks with random weights, built like DCGAN: transposed convolutions, batch norm, ReLU, Tanh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LATENT = 12


def generator(
    path: Path,
    *,
    last: str | None = "Tanh",
    colours: int = 3,
    batch: int | str = 1,
    flat: bool = False,
    gain: float = 1.0,
    latent: int | str = LATENT,
    offset: float = 0.0,
) -> Path:
    """[batch, 12, 1, 1] (flat: [batch, 12]) → [batch, colours, 16, 16]; gain, offset: of the last convolution."""
    random = np.random.default_rng(5)

    def weights(*shape: int, scale: float = 0.3) -> np.ndarray:
        return random.normal(0, scale, shape).astype(np.float32)

    constants = {
        "first": weights(LATENT, 8, 4, 4),
        "second": weights(8, 6, 4, 4),
        "third": weights(6, colours, 4, 4, scale=0.3 * gain),
        "bias": np.full(colours, offset, np.float32),
        "scale": 1 + weights(8, scale=0.1),
        "shift": weights(8, scale=0.1),
        "mean": weights(8, scale=0.1),
        "variance": np.abs(1 + weights(8, scale=0.1)),
    }
    nodes = []
    if flat:
        constants["shape"] = np.array([0, LATENT, 1, 1], np.int64)
        nodes.append(helper.make_node("Reshape", ["z", "shape"], ["latent"]))
    up: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes += [
        helper.make_node("ConvTranspose", ["latent" if flat else "z", "first"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("ConvTranspose", ["c", "second"], ["d"], **up),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("ConvTranspose", ["e", "third", "bias"], ["f" if last else "pictures"], **up),
    ]
    if last == "Clip":
        constants |= {"low": np.array(0, np.float32), "high": np.array(1, np.float32)}
        nodes.append(helper.make_node("Clip", ["f", "low", "high"], ["pictures"]))
    elif last:
        nodes.append(helper.make_node(last, ["f"], ["pictures"]))
    shape = [batch, latent] if flat else [batch, latent, 1, 1]
    graph = helper.make_graph(
        nodes,
        "dcgan",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [batch, colours, 16, 16])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
