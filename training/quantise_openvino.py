"""int8 as an OpenVINO IR, made from the network as OpenVINO itself reads it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.card_text import card_text
from contracts.errors import EngineError
from engines.openvino_runtime import core
from training.quantise_nncf import Recipe, ov, quantised
from training.sensitive import Graph, Node, Observe, Observed

_simplify = importlib.import_module("openvino._offline_transformations").apply_moc_transformations
_HEAVY = frozenset(
    {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"}
)
_NO_OPERATIONS = frozenset({"Constant", "Parameter", "Result"})


class OpenVinoTarget:
    """An ONNX file on its way to an int8 IR. Raises EngineError where OpenVINO cannot read the file."""

    backend = "openvino"
    shifts = True

    def __init__(self, file: Path) -> None:
        self._file = file
        self._model = self._read()
        self._feed = self._model.input(0).get_any_name()
        self.graph = graph_of(self._model)

    def quantised(self, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> Any:
        """The int8 network. Raises EngineError."""
        return quantised(self._read(), self._feed, tensors, recipe)

    def save(self, model: Any, path: Path, card: Card) -> None:
        """Writes .xml and .bin with the card inside."""
        model.set_rt_info(card_text(card), ["roadstream", "card"])
        ov.save_model(model, str(path), compress_to_fp16=False)

    def observer(self, model: Any | None) -> Observe:
        """Runs a network (None: the float one) in fp32 and gives what its layers with weights give out."""
        model = (self._model if model is None else model).clone()
        weighted = set(self.graph.weighted())
        layers = [node for node in model.get_ordered_ops() if node.get_friendly_name() in weighted]
        # Biases are corrected behind the convolution: the sum is what the next layer sees.
        watched = {node.get_friendly_name(): _with_bias(node) for node in layers}
        model.add_outputs([node.output(0) for node in watched.values()])
        # One that is an output of the network already is not added again: found by who makes it.
        makers = [port.get_node().input(0).get_source_output().get_node().get_friendly_name() for port in model.outputs]
        places = {name: makers.index(node.get_friendly_name()) for name, node in watched.items()}
        compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

        def observe(tensor: NDArray[np.float32]) -> Observed:
            arrays = compiled([tensor])
            return {name: np.array(arrays[place]) for name, place in places.items()}

        return observe

    def _read(self) -> Any:
        try:
            reader = ov.frontend.FrontEndManager().load_by_framework("onnx")
            model = reader.convert(reader.load(str(self._file)))
            # Before anything is quantised: else NNCF puts quantisers inside what is one operation of OpenVINO's
            # (SiLU: sigmoid and product), which then runs apart from its convolution.
            _simplify(model, False)
            return model
        except (RuntimeError, ov.frontend.OpConversionFailure) as fault:
            reason = str(fault).strip().splitlines()[-1]
            raise EngineError(f"OpenVINO cannot read {self._file}: {reason}", "quantise to .onnx instead") from fault


def graph_of(model: Any) -> Graph:
    """The operations of an OpenVINO network; weights and other constants left out."""
    return Graph(
        {
            operation.get_friendly_name(): _described(operation)
            for operation in model.get_ordered_ops()
            if operation.get_type_name() not in _NO_OPERATIONS
        },
        {
            name: _producers(port.get_node())[0].get_friendly_name()
            for port in model.outputs
            for name in port.get_names()
        },
    )


def _described(operation: Any) -> Node:
    producers = _producers(operation)
    constant = any(map(_is_constant, producers))  # attention multiplies two activations: no layer with weights
    names = tuple(producer.get_friendly_name() for producer in producers)
    return Node(operation.get_type_name() in _HEAVY and constant, names)


def _is_constant(operation: Any) -> bool:
    """A constant, or one behind a few operations that bring it into another shape or type."""
    producers = _producers(operation)
    return operation.get_type_name() == "Constant" or (bool(producers) and all(map(_is_constant, producers)))


def _producers(operation: Any) -> list[Any]:
    return [port.get_source_output().get_node() for port in operation.inputs()]


def _with_bias(node: Any) -> Any:
    """The addition of a constant behind a layer, where there is one; else the layer itself."""
    users = [port.get_node() for port in node.output(0).get_target_inputs()]
    adds = len(users) == 1 and users[0].get_type_name() == "Add"
    return users[0] if adds and any(map(_is_constant, _producers(users[0]))) else node
