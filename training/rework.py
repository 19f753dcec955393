"""ONNX → ONNX: other heads, another input size or batch, half precision, held against the file it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper
from onnx.utils import Extractor

from contracts.card import Card
from contracts.errors import EngineError
from contracts.tensor import TensorSpec
from engines.cards import head_outputs
from engines.inputs import resolve_input, size_of
from training.onnx_files import card_of, checked, inputs_of, of_one, outputs_of, read_onnx
from training.order import Batch, Order, Say, card_of_export, chosen_heads
from training.parity import ParityReport, Run
from training.publish import publish
from training.runtimes import in_onnxruntime

_SEVERAL = 3
_MASKS = ("mask_ids", "two_class_mask", "class_map")
_PLACELESS = (*_MASKS, "classification")
"""Kinds whose numbers are no places in the picture, so that no grid of places can be a constant of the file."""


def rework(file: Path, output: Path, order: Order, say: Say) -> ParityReport:
    """Writes the network of ``file`` as ordered, unless it fails against ``file`` itself.

    Raises UsageError (a head it has not), EngineError (no ONNX, no card, a graph that cannot change its size or batch,
    another answer), SourceError (no frames), OutputError (cannot be written).
    """
    model = read_onnx(file)
    found = card_of(model, file)
    fed = resolve_input(found, [of_one(spec) for spec in inputs_of(model)])
    if fed.layout != "NCHW":
        raise EngineError(f"{file} takes {fed}; only networks that take [B,3,H,W] are reworked", "export it as such")
    card = _spelled_out(found, outputs_of(model))
    card = card_of_export(card, chosen_heads(card, order.heads))
    part = _only(model, [name for head in card.heads for name in head.outputs])
    size = order.size or size_of(fed)
    _require_no_grid(card, part, size, file)
    shaped = _shaped(part, size, order.batch, file)
    _require_masks_follow(card, part, shaped, file)
    if order.precision == "fp16":
        from training.half_range import in_half

        final = in_half(shaped, card, order.sources)
    else:
        final = shaped
    return publish(final, card, output, original=_original(model, shaped, say), order=order, say=say)


def _spelled_out(card: Card, outputs: Sequence[TensorSpec]) -> Card:
    """The card with every head's outputs by name, so that heads can be taken away."""
    heads = [
        head.model_copy(update={"outputs": tuple(spec.name for spec in head_outputs(head, outputs))})
        for head in card.heads
    ]
    return card.model_copy(update={"heads": tuple(heads)})


def _only(model: ModelProto, outputs: Sequence[str]) -> ModelProto:
    """The part of a network that these outputs need."""
    if set(outputs) == {spec.name for spec in outputs_of(model)}:
        return model
    part: ModelProto = Extractor(model).extract_model([spec.name for spec in inputs_of(model)], list(outputs))
    part.producer_name = model.producer_name
    helper.set_model_props(part, {entry.key: entry.value for entry in model.metadata_props})
    return part


def _require_no_grid(card: Card, model: ModelProto, size: tuple[int, int], file: Path) -> None:
    """Raises EngineError where heads that say places are to work at another size than the only one of the file.

    Exporters make the grid of boxes a constant. It fits every size of as many cells (swapped sides, say), and then
    nothing fails: the boxes are merely wrong.
    """
    (spec,) = inputs_of(model)
    same = all(side in (-1, wanted) for side, wanted in zip(spec.shape[2:], size[::-1], strict=True))
    placed = [head.name for head in card.heads if head.kind not in _PLACELESS]
    if placed and not same:
        raise EngineError(
            f"{file} takes {spec} only, and where the boxes of {', '.join(placed)} lie may be built into it for that"
            f" size, so it cannot be given {size[0]}x{size[1]}",
            "export it again from its checkpoint, with --size there",
        )


def _shaped(model: ModelProto, size: tuple[int, int], batch: Batch | None, file: Path) -> ModelProto:
    """The network at this input size (width, height) and batch; EngineError where its graph has others built in."""
    (spec,) = inputs_of(model)
    shape: list[int | str] = [spec.shape[0] if batch is None else batch, 3, size[1], size[0]]
    wanted = tuple(-1 if isinstance(side, str) else side for side in shape)
    if wanted == spec.shape:
        return model
    shaped = _fed_with(model, shape)
    what = f"{file} for {TensorSpec(spec.name, wanted, spec.dtype)}"
    try:
        shaped = onnx.shape_inference.infer_shapes(shaped, strict_mode=True, data_prop=True)
        checked(shaped, what)
        _try(shaped)
        if wanted[2:] != spec.shape[2:]:
            # Constants for every pixel fit another size of as many pixels too: they show at one of twice as many.
            _try(_fed_with(shaped, [*shape[:3], 2 * size[0]]))
    except (onnx.shape_inference.InferenceError, EngineError) as fault:
        raise _built_in(file, spec) from fault
    return shaped


def _fed_with(model: ModelProto, shape: Sequence[int | str]) -> ModelProto:
    """The same graph with another input shape, and no word about the shapes behind it."""
    result = ModelProto()
    result.CopyFrom(model)
    (spec,) = inputs_of(model)
    fed = next(value for value in result.graph.input if value.name == spec.name)
    named = ["batch" if side in (-1, "dynamic") else side for side in shape]
    fed.CopyFrom(helper.make_tensor_value_info(spec.name, fed.type.tensor_type.elem_type, named))
    del result.graph.value_info[:]
    for value in result.graph.output:
        value.type.tensor_type.ClearField("shape")
    return result


def _try(model: ModelProto) -> None:
    """Runs it once, an open batch with several pictures: one that is none shows with these only."""
    (spec,) = inputs_of(model)
    shape = [_SEVERAL if side < 0 else side for side in spec.shape]
    in_onnxruntime(model.SerializeToString())(np.zeros(shape, spec.dtype))


def _built_in(file: Path, spec: TensorSpec) -> EngineError:
    return EngineError(
        f"{file} has the sizes of {spec} built into its operators, so it cannot be given others",
        "export it again from its checkpoint, with --size and --batch there",
    )


def _require_masks_follow(card: Card, before: ModelProto, after: ModelProto, file: Path) -> None:
    """Raises EngineError where a mask keeps its old size although the input has another one."""
    (old,), (new,) = inputs_of(before), inputs_of(after)
    was, now = ({spec.name: spec.shape for spec in outputs_of(model)} for model in (before, after))
    masks = [head.outputs[0] for head in card.heads if head.kind in _MASKS]
    for name in masks:
        for axis in (-1, -2):
            sides = (was[name][axis], now[name][axis], old.shape[axis], new.shape[axis])
            if min(sides) > 0 and sides[0] * sides[3] != sides[1] * sides[2]:
                raise _built_in(file, old)


def _original(model: ModelProto, shaped: ModelProto, say: Say) -> Run:
    """What the result is held to: the file itself, or the float network reshaped where the file cannot take its size.

    (Then the two runtimes are held against one another.)
    """
    (old,), (new,) = inputs_of(model), inputs_of(shaped)
    fits = all(side in (-1, wanted) for side, wanted in zip(old.shape[1:], new.shape[1:], strict=True))
    if not fits:
        say("the file cannot take this size as it is: its reshaped form in both runtimes is compared")
    reference = model if fits else shaped
    run = in_onnxruntime(reference.SerializeToString())
    fixed = inputs_of(reference)[0].shape[0]

    def one_by_one(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Each picture for itself, however many the file takes at once."""
        answers = [run(np.repeat(image[None], max(fixed, 1), axis=0)) for image in images]
        return {name: np.concatenate([answer[name][:1] for answer in answers]) for name in answers[0]}

    return one_by_one
