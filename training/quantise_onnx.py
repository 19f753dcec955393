"""int8 as an ONNX file: Q/DQ pairs that TensorRT and ONNX Runtime both take."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from contracts.card import Card
from contracts.errors import EngineError
from engines.onnxruntime import onnxruntime
from training.onnx_files import inputs_of, with_card, write_onnx
from training.quantise_nncf import Recipe, quantised
from training.sensitive import Graph, Node, Observe, Observed

_HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LEAST_OPSET = 13
"""The first whose QuantizeLinear knows a scale per channel."""


class OnnxTarget:
    """An ONNX network on its way to int8, for ONNX Runtime on CPUs and TensorRT.

    Activations are symmetric signed int8: the only kind that TensorRT knows. Raises EngineError where the network's
    opset is too old.
    """

    backend = "onnxruntime"
    shifts = False

    def __init__(self, model: ModelProto) -> None:
        self._model = _prepared(model)
        self._feed = inputs_of(model)[0].name
        self.graph = graph_of(self._model)

    def quantised(self, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> ModelProto:
        """The int8 network. Raises EngineError."""
        model: ModelProto = quantised(copy.deepcopy(self._model), self._feed, tensors, recipe)
        _sign(model)
        return model

    def save(self, model: ModelProto, path: Path, card: Card) -> None:
        """Writes the network with its card inside."""
        with_card(model, card)
        write_onnx(model, path)

    def observer(self, model: ModelProto | None) -> Observe:
        """Runs a network (None: the float one) and gives what its layers with weights give out."""
        model = copy.deepcopy(self._model if model is None else model)
        weighted = set(self.graph.weighted())
        layers = {node.name: node.output[0] for node in model.graph.node if node.name in weighted}
        own = {value.name for value in model.graph.output}
        for tensor in layers.values():
            if tensor not in own:
                model.graph.output.append(helper.make_empty_tensor_value_info(tensor))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

        def observe(tensor: NDArray[np.float32]) -> Observed:
            return dict(zip(layers, session.run(list(layers.values()), {self._feed: tensor}), strict=True))

        return observe


def _prepared(model: ModelProto) -> ModelProto:
    """A copy that NNCF can work on: every operation named, an opset that knows scales per channel."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < _LEAST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, _LEAST_OPSET)
        except (RuntimeError, ValueError) as fault:
            raise EngineError(
                f"the network's opset {opset} is too old for int8", f"export it again with opset {_LEAST_OPSET} or more"
            ) from fault
    model = copy.deepcopy(model)
    for index, node in enumerate(model.graph.node):
        if not node.name:
            node.name = f"unnamed {index} {node.op_type}"
    return model


def graph_of(model: ModelProto) -> Graph:
    """The operations of an ONNX network; weights and other constants left out."""
    operations = [node for node in model.graph.node if node.op_type != "Constant"]
    makers = {tensor: node.name for node in operations for tensor in node.output}
    fed = {value.name for value in inputs_of(model)}

    def described(node: NodeProto) -> Node:
        # Attention multiplies two activations: that is no layer with weights.
        constant = any(tensor not in makers and tensor not in fed for tensor in node.input)
        producers = tuple(makers[tensor] for tensor in node.input if tensor in makers)
        return Node(node.op_type in _HEAVY and constant, producers)

    return Graph(
        {node.name: described(node) for node in operations},
        {value.name: makers[value.name] for value in model.graph.output if value.name in makers},
    )


def _sign(model: ModelProto) -> None:
    """Turns symmetric unsigned activations (0 … 255) into signed ones of the same reach (0 … 127).

    NNCF writes them where no value is below zero; TensorRT refuses them. Raises EngineError where one is not
    symmetric: its zero must stay where it is.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        scale, zero = (constants.get(name) for name in node.input[1:3])
        if scale is None or zero is None or (zero.dtype == np.uint8 and zero.any()):
            raise EngineError(f"NNCF gave {node.name} a zero that TensorRT does not know", "quantise to .xml instead")
        if zero.dtype == np.uint8:  # constants of its own, under names made from the old ones: pairs may share those
            signed: dict[str, NDArray[Any]] = {
                f"{node.input[1]} signed": np.asarray(scale * (255 / 127), np.float32),
                f"{node.input[2]} signed": np.zeros(zero.shape, np.int8),
            }
            for position, (name, values) in enumerate(signed.items(), 1):
                node.input[position] = name
                if name not in constants:
                    constants[name] = values
                    model.graph.initializer.append(numpy_helper.from_array(values, name))
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    del model.graph.value_info[:]  # types of before; runtimes work them out themselves
