"""Whether everything that becomes float16 stays within its range on real frames.

Runtimes on CPUs compute float16 files in float32, so parity does not notice; TensorRT would give infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from contracts.card import Card
from contracts.errors import EngineError
from training.half import LARGEST, halved
from training.onnx_files import inputs_of
from training.order import FRAMES
from training.pictures import frames_of, tensors
from training.runtimes import in_onnxruntime

_PEAKS = "peaks"


def in_half(model: ModelProto, card: Card, sources: Sequence[str]) -> ModelProto:
    """The network in float16, whose values have been watched on frames of ``sources``.

    Raises what ``halved`` and ``require_range`` raise, SourceError and UsageError.
    """
    half = halved(model)
    require_range(model, half, tensors(card, inputs_of(model), frames_of(sources, FRAMES)))
    return half


def require_range(model: ModelProto, half: ModelProto, frames: Iterable[NDArray[Any]]) -> None:
    """Raises EngineError, naming the value, where one that is float16 in ``half`` goes beyond its range in ``model``.

    frames: input tensors, a batch of one each.
    """
    watched = _half_values(model, half)
    if not watched:
        return
    run, batch = in_onnxruntime(_watching(model, watched).SerializeToString()), inputs_of(model)[0].shape[0]
    for index, frame in enumerate(frames):
        peaks = run(np.repeat(frame, max(batch, 1), axis=0))[_PEAKS]
        worst = int(peaks.argmax())  # the first NaN where there is one
        if not peaks[worst] <= LARGEST:
            raise EngineError(
                f"{watched[worst]!r} inside the network reaches {peaks[worst]:.3g} on frame {index}, float16 ends at"
                f" {LARGEST:.0f}",
                "use --precision fp32",
            )


def _half_values(model: ModelProto, half: ModelProto) -> list[str]:
    """Values that operators of ``model`` make and that are float16 in ``half``."""
    typed = onnx.shape_inference.infer_shapes(half, strict_mode=True).graph.value_info
    kinds = {value.name: value.type.tensor_type.elem_type for value in typed}
    made = (name for node in model.graph.node for name in node.output)
    return [name for name in made if kinds.get(name) == TensorProto.FLOAT16]


def _watching(model: ModelProto, names: Sequence[str]) -> ModelProto:
    """A network whose only output is the largest magnitude of each of these values."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), f"{_PEAKS}_one"))
    tops = [f"{_PEAKS}_{index}" for index in range(len(names))]
    for name, top in zip(names, tops, strict=True):
        graph.node.append(helper.make_node("Abs", [name], [f"{top}_all"]))
        graph.node.append(helper.make_node("ReduceMax", [f"{top}_all"], [f"{top}_most"], keepdims=0))
        graph.node.append(helper.make_node("Reshape", [f"{top}_most", f"{_PEAKS}_one"], [top]))
    graph.node.append(helper.make_node("Concat", tops, [_PEAKS], axis=0))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_PEAKS, TensorProto.FLOAT, [len(names)]))
    return result
