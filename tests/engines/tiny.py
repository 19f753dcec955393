"""Networks small enough to work out by hand, for the engines' own tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from contracts.config import EngineConfig
from contracts.tensor import TensorSpec

Dims = Sequence[int | str]
SEEN = {"name": "seen", "kind": "class_map", "outputs": ["seen"]}


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    outputs: Mapping[str, Dims],
    inputs: Mapping[str, Dims],
    constants: Sequence[onnx.TensorProto] = (),
    *,
    metadata: Mapping[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """An ONNX file of these nodes."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(name, kind, list(dims)) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, kind, list(dims)) for name, dims in outputs.items()],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def echo(path: Path, dims: Dims = (1, 3, 12, 16), metadata: Mapping[str, str] | None = None) -> Path:
    """``seen``: the very tensor that the network gets. (Plus nothing: runtimes treat a bare copy in their own ways.)"""
    nodes = [helper.make_node("Add", ["images", "nothing"], ["seen"])]
    nothing = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "nothing")
    return save(path, nodes, {"seen": dims}, {"images": dims}, [nothing], metadata=metadata)


def slow(path: Path, layers: int = 12) -> Path:
    """``seen``: convolutions that keep two cores busy for some tenths of a second; weights tell one from another."""
    rng = np.random.default_rng(0)
    nodes, constants, last, channels = [], [], "images", 3
    for layer in range(layers):
        shape = (48, channels, 3, 3)
        constants.append(numpy_helper.from_array((rng.normal(size=shape) / 20).astype(np.float32), f"w{layer}"))
        nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        last, channels = f"c{layer}", 48
    nodes.append(helper.make_node("ReduceMean", [last], ["seen"], axes=[2, 3], keepdims=1))
    return save(path, nodes, {"seen": (1, 48, 1, 1)}, {"images": (1, 3, 192, 192)}, constants)


def with_card(file: Path, heads: Sequence[Mapping[str, object]] = (SEEN,), **given: object) -> Path:
    """Writes a card beside the file; ``given`` is its input section."""
    text = yaml.safe_dump({"name": file.stem, "input": given, "heads": [dict(head) for head in heads]})
    file.with_suffix(".card.yaml").write_text(text, encoding="utf-8")
    return file


def config(file: Path, backend: str = "openvino", **options: object) -> EngineConfig:
    """An engine in fp32, so that its numbers are NumPy's."""
    return EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32", **options})


def spec(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    """A tensor as a file describes it."""
    return TensorSpec(name, shape, dtype)
