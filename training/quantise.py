"""int8: a float network quantised on real frames, layers that suffer left float until it sees what it saw before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto

from contracts.card import Card
from contracts.card_text import card_text
from contracts.config import EngineConfig
from contracts.errors import EngineError, UsageError
from engines.cards import check_card
from engines.files import parts_of
from engines.open import open_engine
from engines.verdicts import HeadFigures, Verdict
from training.calibration import sample
from training.files import check_output, written
from training.onnx_files import card_of, inputs_of, of_one, outputs_of, read_onnx
from training.quantise_ladder import AIMS, Ladder, Say, Target

_QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"})
_NAMED = 8
"""Layers left float that the report names."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """What was written. verdict: of the frames held out. floating: layers with weights left float, of ``layers``.

    precision: the arithmetic that the runtime chose, as in ``EngineFacts``. calibrated: frames. missed: heads that
    pass the gate and yet fall short of AIMS. before, after: bytes of the float and of the int8 network.
    """

    file: Path
    verdict: Verdict
    missed: tuple[HeadFigures, ...]
    floating: tuple[str, ...]
    layers: int
    calibrated: int
    precision: str
    before: int
    after: int

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"int8: {self.before / 1e6:.1f} → {self.after / 1e6:.1f} MB, runs in {self.precision} here"
        yield f"calibrated on {self.calibrated} frames; {self.verdict.report()}"
        names = ", ".join(self.floating[:_NAMED]) + (" …" if len(self.floating) > _NAMED else "")
        yield f"left float: {len(self.floating)} of {self.layers} layers" + (f" ({names})" if names else "")
        for figures in self.missed:
            yield f"short of the aim: {figures.head} {figures.share:.3f}, aimed at {AIMS[figures.compared]}"


def quantise(
    source: Path,
    output: Path,
    frames: Sequence[str],
    *,
    card: Card | None = None,
    progress: Say,
    overwrite: bool = False,
) -> Quantised:
    """Writes an int8 version of a float ONNX file: ``output`` is an .onnx or an OpenVINO .xml with its .bin.

    frames: sources; four in five frames calibrate, the fifth are held out and judge. card: None where the file's own
    is found. The least float that reaches AIMS is written; where nothing does, the best that passes the gate.
    Raises UsageError (``output`` exists or is the source), SourceError (no frames), EngineError (no float network,
    nothing passes the gate), OutputError. Nothing is left at ``output`` then.
    """
    if output.suffix.lower() not in (".onnx", ".xml"):
        raise UsageError(f"int8 is written as .onnx or OpenVINO .xml, not {output.name}", "choose another --output")
    for part in parts_of(output):
        check_output(part, [source], overwrite=overwrite)
    model = read_onnx(source)
    known = card or card_of(model, source)
    inputs = inputs_of(model)
    check_card(known, [of_one(spec) for spec in inputs], [of_one(spec) for spec in outputs_of(model)])
    _check_float(model, source)
    progress(f"reading frames of {frames[0] if len(frames) == 1 else f'{len(frames)} sources'}")
    taken = sample(frames, known, inputs)
    target = _target(output, source, model)
    with tempfile.TemporaryDirectory(prefix="roadstream-int8-") as folder:
        reference = EngineConfig(file=source, card=_written_card(card, Path(folder)))
        inside = _card_inside(known, card, source, output)
        best = Ladder(target, reference, taken, inside, Path(folder)).climb(progress)
        precision = _precision(best.file, target)
        _publish(best.file, output, overwrite=overwrite)
    weighted = target.graph.weighted()
    return Quantised(
        file=output,
        verdict=best.verdict,
        missed=best.missed(),
        floating=tuple(layer for layer in weighted if layer in best.recipe.floating),
        layers=len(weighted),
        calibrated=len(taken.calibration),
        precision=precision,
        before=source.stat().st_size,
        after=sum(part.stat().st_size for part in parts_of(output)),
    )


def _target(output: Path, source: Path, model: ModelProto) -> Target:
    if output.suffix.lower() == ".xml":
        from training.quantise_openvino import OpenVinoTarget

        return OpenVinoTarget(source)
    from training.quantise_onnx import OnnxTarget

    return OnnxTarget(model)


def _check_float(model: ModelProto, file: Path) -> None:
    """Raises EngineError unless it is a network in float32."""
    if any(node.op_type in _QUANTISED for node in model.graph.node):
        raise EngineError(f"{file} is quantised already", "give the float32 file it was made from")
    spec = inputs_of(model)[0]
    if spec.dtype != "float32":
        raise EngineError(f"int8 is made from a float32 network, {file} takes {spec}", "give the float32 file")


def _written_card(card: Card | None, folder: Path) -> Path | None:
    """A file with a card that lies nowhere yet."""
    if card is None:
        return None
    file = folder / "reference.card.yaml"
    file.write_text(card_text(card), encoding="utf-8")
    return file


def _card_inside(known: Card, explicit: Card | None, source: Path, output: Path) -> Card:
    """The card of the new file. Its reference is the float file, where that lies beside it with a card of its own."""
    beside = explicit is None and source.resolve().parent == output.resolve().parent
    return known.model_copy(
        update={"sha256": (), "url": None, "bytes": None, "reference": source.name if beside else None}
    )


def _publish(made: Path, output: Path, *, overwrite: bool) -> None:
    """Copies a finished network to its place, all parts or none; of an IR the .xml, which names it, comes last."""
    if output.suffix.lower() != ".xml":
        with written(output, overwrite=overwrite) as part:
            part.write_bytes(made.read_bytes())
        return
    weights = output.with_suffix(".bin")
    with written(output, overwrite=overwrite) as part, written(weights, overwrite=overwrite) as part_of_weights:
        part.write_bytes(made.read_bytes())
        part_of_weights.write_bytes(made.with_suffix(".bin").read_bytes())
        if overwrite:
            output.unlink(missing_ok=True)  # an old .xml must never meet the new .bin


def _precision(file: Path, target: Target) -> str:
    """The arithmetic that the runtime chooses."""
    with closing(open_engine(EngineConfig.model_validate({"file": file, "backend": target.backend}))) as engine:
        return f"{engine.facts.backend} {engine.facts.precision}"
