"""int8 as an ONNX file: Q/DQ pairs that TensorRT and ONNX Runtime both take."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from contracts.card import Card
from contracts.errors import EngineError
from engines.onnxruntime import onnxruntime
from training.onnx_files import inputs_of, with_card, write_onnx
from training.quantise_nncf import Recipe, quantised
from training.sensitive import Graph, Node, Observe, Observed

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LEAST_OPSET = 13
"""The first whose QuantizeLinear knows a scale per channel."""


class OnnxTarget:
    """An ONNX network on its way to int8, for ONNX Runtime on CPUs and TensorRT.

    Activations are symmetric signed int8: the only kind that TensorRT knows. Raises EngineError where the network's
    opset is too old.
    """

    backend = "onnxruntime"

    def __init__(self, model: ModelProto) -> None:
        self._model = _prepared(model)
        self._feed = inputs_of(model)[0].name
        self.graph = graph_of(self._model)

    def quantised(self, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> ModelProto:
        """The int8 network. Raises EngineError."""
        model: ModelProto = quantised(copy.deepcopy(self._model), self._feed, tensors, recipe, symmetric=True)
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

    def has_weights(node: NodeProto) -> bool:
        """Whether it multiplies with constants; attention multiplies two activations."""
        return node.op_type in _WEIGHTED and any(tensor not in makers and tensor not in fed for tensor in node.input)

    return Graph(
        {
            node.name: Node(has_weights(node), tuple(makers[tensor] for tensor in node.input if tensor in makers))
            for node in operations
        },
        {value.name: makers[value.name] for value in model.graph.output if value.name in makers},
    )


def _sign(model: ModelProto) -> None:
    """Turns symmetric unsigned activations (0 … 255) into signed ones of the same reach (0 … 127).

    NNCF writes them where no value is below zero; TensorRT refuses them.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        if zero.data_type == TensorProto.UINT8:  # the pair shares its constants: met once
            wider = numpy_helper.to_array(scale) * np.float32(255 / 127)
            scale.CopyFrom(numpy_helper.from_array(wider.astype(np.float32), scale.name))
            zero.CopyFrom(numpy_helper.from_array(np.zeros(list(zero.dims), np.int8), zero.name))
    del model.graph.value_info[:]  # types of before; runtimes work them out themselves
