"""Export: a network of PyTorch, whatever checkpoint it was read from, as an ONNX file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.errors import UsageError
from training.checkpoints import open_subject
from training.networks.families import build
from training.networks.network import Deployed
from training.order import Order, Say, card_of_export, chosen_heads, fitting_size
from training.parity import ParityReport, Run
from training.publish import publish
from training.subject import Subject
from training.tracing import traced

_FAST = "classes chosen at an eighth of the size (--fast-classmap): borders between them are steps"


def export_checkpoint(file: Path, output: Path, order: Order, say: Say) -> ParityReport:
    """As ``export``, from a checkpoint file; raises EngineError where nobody knows what it is."""
    return export(open_subject(file), output, order, say)


def export(subject: Subject, output: Path, order: Order, say: Say) -> ParityReport:
    """Writes the network to ``output`` (ONNX, its card inside), unless it fails against the PyTorch network.

    Raises UsageError (a head or size it has not), EngineError (cannot be exported, fails), SourceError (no frames),
    OutputError (cannot be written).
    """
    if order.fast_classmap:
        subject = _fast(subject)
        say(_FAST)
    heads = chosen_heads(subject.card, order.heads)
    size = fitting_size(order.size or subject.card.input.size, subject.stride)
    say(f"exporting {', '.join(heads)} at {size[0]}x{size[1]}")
    card = card_of_export(subject.card, heads)
    model = traced(subject.deployed(heads), size, order.batch or 1)
    if order.precision == "fp16":
        from training.half_range import in_half

        model = in_half(model, card, order.sources)
    return publish(model, card, output, original=torch_run(subject.plain(heads)), order=order, say=say)


def torch_run(network: Deployed) -> Run:
    """A PyTorch network as parity wants it."""
    network.eval()

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            arrays = network(torch.from_numpy(images))
        return {name: np.asarray(array) for name, array in zip(network.names, arrays, strict=True)}

    return run


def _fast(subject: Subject) -> Subject:
    """The same with its fast class map, held to what PyTorch makes of that; raises UsageError where there is none."""
    network = build(subject.checkpoint.blueprint) if subject.checkpoint else None
    if subject.checkpoint is None or network is None or not hasattr(network, "fast_class_map"):
        raise UsageError("--fast-classmap is for DDRNet, which this is not", "leave it out")
    network.load_state_dict(dict(subject.checkpoint.state))
    vars(network)["fast_class_map"] = True
    origin = "; ".join(text for text in (subject.card.origin, _FAST) if text)
    card = subject.card.model_copy(update={"origin": origin})
    return replace(subject, card=card, plain=network.deployed, deployed=network.deployed)
