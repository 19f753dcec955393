"""The last step of every export: the card goes in, the file is proven, and only then it gets its name."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from contracts.card import Card
from engines.cards import check_card
from training.differences import TOLERANCES
from training.files import written
from training.onnx_files import inputs_of, of_one, outputs_of, with_card, write_onnx
from training.order import DEFAULT_SOURCE, FRAMES, Order, Say, default_source
from training.parity import ParityReport, Run, compare
from training.pictures import frames_of, tensors
from training.runtimes import RUNTIMES

_DYNAMIC = (1, 3)
"""An open batch is proven with these, in turn."""


def publish(model: ModelProto, card: Card, output: Path, *, original: Run, order: Order, say: Say) -> ParityReport:
    """Writes a network with its card inside, once it gives in every runtime what ``original`` gives.

    Raises EngineError where it does not, or where card and network disagree; SourceError where there are no frames;
    OutputError where it cannot be written. Nothing is left at ``output`` then.
    """
    with_card(model, card)
    inputs = inputs_of(model)
    check_card(card, [of_one(spec) for spec in inputs], [of_one(spec) for spec in outputs_of(model)])
    batch = inputs[0].shape[0]
    batches = (batch,) if batch > 0 else _DYNAMIC
    count = max(FRAMES, *batches)
    sources = [default_source(count) if uri == DEFAULT_SOURCE else uri for uri in order.sources]
    with written(output, overwrite=order.overwrite) as part:
        write_onnx(model, part)
        say(f"comparing with the original on {count} frames of {' and '.join(sources)}")
        report = compare(
            original,
            {name: open_in(part) for name, open_in in RUNTIMES.items()},
            card,
            tensors(card, inputs, frames_of(sources, count)),
            tolerance=TOLERANCES[order.precision],
            batches=batches,
        )
        for line in report.lines():
            say(line)
        report.require(output.name, "try other --frames or --precision fp32, else report this network")
    return report
