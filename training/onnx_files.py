"""ONNX files: read with suspicion, described, given a card, written without traces of the machine they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, external_data_helper, helper

from contracts.card import Card
from contracts.card_text import card_text
from contracts.errors import EngineError
from contracts.tensor import TensorSpec
from engines.cards import METADATA_KEY, find_card
from engines.files import require_readable

LARGEST_BYTES = 2**31 - 1
"""A protobuf message cannot be larger; weights beside the file would part from it sooner or later."""


def read_onnx(path: Path) -> ModelProto:
    """The network in an ONNX file; raises EngineError for whatever is no such file, or keeps weights elsewhere."""
    require_readable(path)
    if path.suffix.lower() != ".onnx":
        raise EngineError(f"{path} is an OpenVINO IR, which stays as it is", "give the ONNX file it was made from")
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as fault:
        raise EngineError(f"{path} is damaged or cut off: not readable ONNX", "copy or export it again") from fault
    except OSError as fault:
        raise EngineError(f"cannot read {path}: {fault.strerror}", "check the path and its permissions") from fault
    if any(map(external_data_helper.uses_external_data, _tensors(model.graph))):
        raise EngineError(f"{path} keeps its weights in other files", "export it as one file (below 2 GB)")
    checked(model, str(path))
    return model


def write_onnx(model: ModelProto, path: Path) -> None:
    """Writes a network; raises EngineError where it is no valid ONNX or too large, OSError as the disk does."""
    checked(model, "the exported network")
    try:
        data = model.SerializeToString()
    except (EncodeError, ValueError) as fault:
        raise EngineError("the network is larger than 2 GB, the most an ONNX file holds", "use --precision") from fault
    path.write_bytes(data)


def checked(model: ModelProto, what: str) -> None:
    """Raises EngineError unless the network keeps the rules of ONNX, shapes included."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as fault:
        reason = next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
        raise EngineError(f"{what} is no valid ONNX: {reason}", "export it again") from fault


def card_of(model: ModelProto, path: Path, explicit: Path | None = None) -> Card:
    """The card of a file as a run would find it; raises EngineError where there is none."""
    return find_card(path, explicit, metadata(model), inputs_of(model))


def with_card(model: ModelProto, card: Card) -> None:
    """Puts a card inside, in place of one that may be there."""
    kept = {key: value for key, value in metadata(model).items() if key != METADATA_KEY}
    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA_KEY: card_text(card), **kept})


def metadata(model: ModelProto) -> dict[str, str]:
    """The texts a file carries about itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def inputs_of(model: ModelProto) -> tuple[TensorSpec, ...]:
    """What must be fed: the inputs that are no weights; -1 where a size is open."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(_spec(value) for value in model.graph.input if value.name not in weights)


def outputs_of(model: ModelProto) -> tuple[TensorSpec, ...]:
    """What comes out; -1 where a size is open."""
    return tuple(_spec(value) for value in model.graph.output)


def of_one(spec: TensorSpec) -> TensorSpec:
    """The same tensor for a single picture; the engines' checks are about one."""
    return TensorSpec(spec.name, (1, *spec.shape[1:]), spec.dtype, spec.layout)


def without_traces(model: ModelProto) -> None:
    """Removes what exporters note about the program that was exported: its lines, its file names, its folders."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in _graphs(model.graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            part.doc_string = ""
            del part.metadata_props[:]


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside its nodes (If, Loop, Scan)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for nested in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(nested)


def _tensors(graph: Any) -> Iterable[TensorProto]:
    """Every constant of a network."""
    for part in _graphs(graph):
        yield from part.initializer
        for node in part.node:
            for attribute in node.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t


def _spec(value: Any) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else "unknown"
    return TensorSpec(value.name, tuple(_size(dimension) for dimension in tensor.shape.dim), dtype)


def _size(dimension: Any) -> int:
    return int(dimension.dim_value) if dimension.HasField("dim_value") else -1
