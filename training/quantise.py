"""int8: a float network quantised on real frames, layers that suffer left float until it sees what it saw before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from contracts.card import Card
from contracts.card_text import card_text
from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from engines.cards import check_card
from engines.files import parts_of
from engines.gate import check
from engines.heads.open import open_head
from engines.open import open_engine
from engines.verdicts import Compared, HeadFigures, Verdict
from training.calibration import Sample, sample
from training.files import check_output, written
from training.onnx_files import card_of, inputs_of, of_one, outputs_of, read_onnx
from training.quantise_nncf import Recipe
from training.sensitive import Graph, Observe, by_added_noise

AIMS: dict[Compared, float] = {"boxes": 0.97, "areas": 0.97, "lines": 0.85, "classes": 0.97}
"""What the ladder climbs for, well above the gate's limits: boxes found again, intersection over union of pixels."""
_QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"})
_OBSERVED = 8
"""Frames on which the layers' noise is measured."""
_CLIPPED = 64
"""Frames on which quantiles are measured: that takes four times as long as extremes."""
_MOST_FLOATING = 0.5
"""Share of the layers that may stay float; beyond, the file would hardly be int8."""

Say = Callable[[str], None]


class Target(Protocol):
    """A network on its way to int8 in the form that one runtime takes."""

    backend: str
    graph: Graph

    def quantised(self, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> Any:
        """The int8 network. Raises EngineError."""

    def save(self, model: Any, path: Path, card: Card) -> None:
        """Writes it with its card inside."""

    def observer(self, model: Any | None) -> Observe:
        """Runs a network (None: the float one) and gives what its layers give out."""


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
        yield f"left float: {len(self.floating)} of {self.layers} layers" + "".join(
            f"\n  {layer}" for layer in self.floating
        )
        for figures in self.missed:
            yield f"short of the aim: {figures.head} {figures.share:.3f}, aimed at {AIMS[figures.compared]}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One rung of the ladder: a file, how it was made, and the verdict on it."""

    file: Path
    model: Any
    recipe: Recipe
    verdict: Verdict

    def missed(self) -> tuple[HeadFigures, ...]:
        return tuple(head for head in self.verdict.figures if head.judged and head.share < AIMS[head.compared])

    def rank(self) -> tuple[bool, float]:
        """The best candidate has the largest: passes the gate, then how far the worst head is above its aim."""
        above = (head.share - AIMS[head.compared] for head in self.verdict.figures if head.judged)
        return self.verdict.state == "accepted", min(above)


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
    heads that cannot be judged, nothing passes the gate), OutputError. Nothing is left at ``output`` then.
    """
    for part in parts_of(output):
        check_output(part, [source], overwrite=overwrite)
    model = read_onnx(source)
    known = card or card_of(model, source)
    inputs = inputs_of(model)
    check_card(known, [of_one(spec) for spec in inputs], [of_one(spec) for spec in outputs_of(model)])
    _check_judgeable(known)
    _check_float(model, source)
    progress(f"reading frames of {' and '.join(frames)}")
    taken = sample(frames, known, inputs)
    target = _target(output, source, model)
    with tempfile.TemporaryDirectory(prefix="roadstream-int8-") as folder:
        reference = EngineConfig(file=source, card=_written_card(card, Path(folder)))
        inside = _card_inside(known, card, source, output)
        best = _Ladder(target, reference, taken, inside, Path(folder)).climb(progress)
        _publish(best.file, output, overwrite=overwrite)
        return _result(best, target, taken, source, output)


class _Ladder:
    """Tries int8 with more and more layers left float."""

    def __init__(self, target: Target, reference: EngineConfig, taken: Sample, card: Card, folder: Path) -> None:
        self._target = target
        self._reference = reference
        self._taken = taken
        self._card = card
        self._folder = folder
        self._tried = 0

    def climb(self, say: Say) -> _Candidate:
        """The first candidate that reaches the aims, else the best one; raises EngineError where none is accepted.

        First float is what lies behind the last layer with weights of every output: few operations, on numbers of
        very different size (boxes in pixels beside scores). Then everything that has no weights, then outliers of
        activations are clipped, then twice as many layers with weights each time stay float, noisiest first. What
        does not help is taken back.
        """
        graph = self._target.graph
        tail = frozenset[str]().union(*(graph.near(output, 0) for output in graph.outputs))
        best = self._try(Recipe(tail), say)
        for change in ({"floating": tail | graph.unweighted()}, {"clipped": True}):
            if best.missed():
                best = max(best, self._try(replace(best.recipe, **change), say), key=_Candidate.rank)
        start, ranked, count = best.recipe, list[str](), 1
        while best.missed() and count <= _MOST_FLOATING * len(graph.weighted()):
            ranked = ranked or self._ranked(best)
            recipe = replace(start, floating=start.floating.union(ranked[:count]))
            best = max(best, self._try(recipe, say), key=_Candidate.rank)
            count *= 2
        if best.verdict.state != "accepted":
            raise EngineError(
                f"{self._reference.file} does not survive int8 in {self._target.backend}: {best.verdict.reason}",
                "use fp16 or fp32, or give frames that resemble your road more closely",
            )
        return best

    def _try(self, recipe: Recipe, say: Say) -> _Candidate:
        self._tried += 1
        tensors = self._taken.calibration
        model = self._target.quantised(_spread(tensors, _CLIPPED) if recipe.clipped else tensors, recipe)
        file = self._folder / f"{self._tried}{'.xml' if self._target.backend == 'openvino' else '.onnx'}"
        self._target.save(model, file, self._card)
        verdict = self._judged(file, self._taken.held_out)
        if verdict.state == "no verdict":
            raise EngineError(f"int8 cannot be judged: {verdict.reason}", "give frames in which there is more to see")
        say(f"tried int8{self._described(recipe)}: {verdict.reason}")
        return _Candidate(file, model, recipe, verdict)

    def _described(self, recipe: Recipe) -> str:
        graph = self._target.graph
        layers = sum(layer in recipe.floating for layer in graph.weighted())
        parts = [
            "only in layers with weights" if graph.unweighted() <= recipe.floating else "",
            "outliers clipped" if recipe.clipped else "",
            f"{layers} layers left float" if layers else "",
        ]
        return "".join(f", {part}" for part in parts if part)

    def _judged(self, file: Path, pictures: Sequence[Picture]) -> Verdict:
        candidate = EngineConfig.model_validate({"file": file, "backend": self._target.backend})
        return check(candidate, self._reference, pictures)

    def _ranked(self, candidate: _Candidate) -> list[str]:
        """Layers by the noise they add."""
        observe = self._target.observer
        frames = _spread(self._taken.calibration, _OBSERVED)
        return by_added_noise(self._target.graph, observe(None), observe(candidate.model), frames)


def _spread(tensors: Sequence[NDArray[np.float32]], count: int) -> Sequence[NDArray[np.float32]]:
    """About ``count`` of them, evenly."""
    return tensors[:: max(1, len(tensors) // count)]


def _target(output: Path, source: Path, model: ModelProto) -> Target:
    if output.suffix.lower() == ".xml":
        from training.quantise_openvino import OpenVinoTarget

        return OpenVinoTarget(source)
    from training.quantise_onnx import OnnxTarget

    return OnnxTarget(model)


def _check_judgeable(card: Card) -> None:
    """Raises EngineError where a head cannot be decoded: nobody could say what int8 did to it."""
    for head in card.heads:
        open_head(head)


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


def _result(best: _Candidate, target: Target, taken: Sample, source: Path, output: Path) -> Quantised:
    with closing(open_engine(EngineConfig.model_validate({"file": output, "backend": target.backend}))) as engine:
        precision = f"{engine.facts.backend} {engine.facts.precision}"
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
