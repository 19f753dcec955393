"""float32 → float16 ONNX: weights and arithmetic in half, boxes put together in float32.

The public converters (onnxconverter-common, onnxruntime.transformers.float16) were looked at. Both clip weights in
silence, leave every Resize in float32 between two casts, or round what lies between two nodes that are to stay in
float32 to float16 and back, which is what must not happen to boxes. Here a node is on one side or the other, and a
value is cast where it crosses, once. What may be half is read from the operators' own schemas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, MutableSequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from contracts.errors import EngineError
from training.onnx_files import checked

_HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LEARNT = 32
"""Weights below which a convolution is arithmetic (the expectation over 16 bins of a distance), not a layer."""
LARGEST = float(np.finfo(np.float16).max)
"""65504: the end of float16's range."""
_HALF_TYPE = "tensor(float16)"


def halved(model: ModelProto) -> ModelProto:
    """The network in float16; its inputs and outputs keep their types.

    What lies behind the last convolution on the way to a float output stays float32: 672 pixels have a resolution of
    half a pixel in float16. Raises EngineError where a weight is beyond float16's range, and for networks with
    branches or loops, or in float16 or int8 already.
    """
    result = ModelProto()
    result.CopyFrom(onnx.shape_inference.infer_shapes(model, strict_mode=True))
    _require_plain_floats(result)
    _constants_become_weights(result)
    _Halving(result).run()
    checked(result, "the float16 network")
    return result


def _require_plain_floats(model: ModelProto) -> None:
    for node in model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise EngineError(
                f"the network branches inside ({node.op_type} {node.name}), which is not exported to fp16",
                "use --precision fp32",
            )
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            raise EngineError("the network is quantised already", "give the float32 file it was made from")
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer):
        raise EngineError("the network has float16 weights already", "leave --precision out")


def _constants_become_weights(model: ModelProto) -> None:
    """One kind of constant is enough to think about."""
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].HasField("t")]:
        tensor = TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


class _Halving:
    """One conversion: which nodes are half, which values are, and the casts in between."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._names = {name for node in self._graph.node for name in (*node.input, *node.output)} | set(self._weights)
        self._floats = _float_values(self._graph)
        self._full = _behind_last_convolutions(self._graph, self._floats)
        self._half: set[str] = set()
        self._casts: dict[tuple[str, int], str] = {}
        self._nodes: list[NodeProto] = []

    def run(self) -> None:
        for node in list(self._graph.node):
            self._convert(node, half=self._may_be_half(node))
        for output in self._graph.output:
            if output.name in self._half:
                self._restore(output.name)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]  # of before; whoever needs them infers them again
        self._drop_unused_weights()

    def _may_be_half(self, node: NodeProto) -> bool:
        """Whether a node computes with floats, may do so in float16, and does not put boxes together."""
        if node.output[0] in self._full or node.domain not in ("", "ai.onnx"):
            return False
        if not any(name in self._floats for name in (*node.input, *node.output)):
            return False
        schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        outputs = zip(node.output, _formal(schema.outputs, len(node.output)), strict=True)
        return all(_HALF_TYPE in formal.types for name, formal in outputs if name in self._floats) and any(
            _HALF_TYPE in formal.types for formal in schema.inputs
        )

    def _convert(self, node: NodeProto, *, half: bool) -> None:
        schema = onnx.defs.get_schema(node.op_type, self._opset, node.domain) if half else None
        formals = _formal(schema.inputs, len(node.input)) if schema else [None] * len(node.input)
        for index, (name, formal) in enumerate(zip(node.input, formals, strict=True)):
            if name in self._floats:
                wants_half = formal is not None and _HALF_TYPE in formal.types
                node.input[index] = self._as(name, TensorProto.FLOAT16 if wants_half else TensorProto.FLOAT)
        if half:
            _retype_attributes(node)
            self._half.update(name for name in node.output if name in self._floats)
        self._nodes.append(node)

    def _as(self, name: str, kind: int) -> str:
        """The name of this value in this type; a cast, or a copy of a weight, is made at first need."""
        is_half = name in self._half
        if is_half == (kind == TensorProto.FLOAT16):
            return name
        known = self._casts.get((name, kind))
        if known is None:
            known = self._casts[name, kind] = self._fresh(name, "half" if kind == TensorProto.FLOAT16 else "full")
            if name in self._weights:
                self._graph.initializer.append(_half_weight(self._weights[name], known))
            else:
                self._nodes.append(helper.make_node("Cast", [name], [known], name=f"cast_{known}", to=kind))
        return known

    def _restore(self, name: str) -> None:
        """A graph output keeps its name and float32."""
        inner = self._fresh(name, "half")
        for node in self._nodes:
            _rename(node.input, name, inner)
            _rename(node.output, name, inner)
        self._nodes.append(helper.make_node("Cast", [inner], [name], name=f"cast_{name}", to=TensorProto.FLOAT))

    def _fresh(self, name: str, what: str) -> str:
        """A name that nothing has yet."""
        fresh = f"{name}_{what}"
        while fresh in self._names:
            fresh += "_"
        self._names.add(fresh)
        return fresh

    def _drop_unused_weights(self) -> None:
        used = {name for node in self._nodes for name in node.input} | {value.name for value in self._graph.output}
        for tensor in [tensor for tensor in self._graph.initializer if tensor.name not in used]:
            self._graph.initializer.remove(tensor)


def _float_values(graph: onnx.GraphProto) -> set[str]:
    """Names of all float32 values."""
    described = (*graph.input, *graph.output, *graph.value_info)
    names = {value.name for value in described if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return names | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _behind_last_convolutions(graph: onnx.GraphProto, floats: set[str]) -> set[str]:
    """First outputs of the nodes on the way to a float output that no convolution follows.

    (Those in front of a mask's ids are not among them: what is compared with its like may be half.)
    """
    makers = {name: node for node in graph.node for name in node.output}
    small = {tensor.name for tensor in graph.initializer if math.prod(tensor.dims) < _LEARNT}
    stays: set[str] = set()
    waiting = [value.name for value in graph.output if value.name in floats]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.output[0] in stays:
            continue
        if node.op_type in _HEAVY and not any(name in small for name in node.input[1:2]):
            continue
        stays.add(node.output[0])
        waiting.extend(node.input)
    return stays


def _formal(
    formals: Iterable[onnx.defs.OpSchema.FormalParameter], count: int
) -> list[onnx.defs.OpSchema.FormalParameter]:
    """The schema's parameter for each of ``count`` arguments; a variadic last one stands for all that follow."""
    listed = list(formals)
    return [listed[min(index, len(listed) - 1)] for index in range(count)]


def _half_weight(tensor: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    largest = float(np.abs(values).max(initial=0))
    if largest > LARGEST:
        raise EngineError(
            f"weight {tensor.name!r} reaches {largest:.3g}, float16 ends at {LARGEST:.0f}", "use --precision fp32"
        )
    return numpy_helper.from_array(values.astype(np.float16), name)


def _retype_attributes(node: NodeProto) -> None:
    """Attributes that name float32 as the type of what comes out (Cast, ConstantOfShape …)."""
    for attribute in node.attribute:
        if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_half_weight(attribute.t, attribute.t.name))


def _rename(names: MutableSequence[str], old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new
