"""The ladder: int8 tried with less and less of it, until the network sees what it saw before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.errors import EngineError, OutputError
from engines.gate import check
from engines.verdicts import Compared, HeadFigures, Verdict
from training.calibration import Sample
from training.quantise_nncf import Recipe
from training.sensitive import Graph, Observe, by_added_noise

AIMS: dict[Compared, float] = {"boxes": 0.97, "areas": 0.97, "lines": 0.85, "classes": 0.97}
"""What the ladder climbs for, well above the gate's limits: boxes found again, intersection over union of pixels."""
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
    shifts: bool
    """Whether the runtime takes activations whose range does not lie around zero."""

    def quantised(self, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> Any:
        """The int8 network. Raises EngineError."""

    def save(self, model: Any, path: Path, card: Card) -> None:
        """Writes it with its card inside."""

    def observer(self, model: Any | None) -> Observe:
        """Runs a network (None: the float one) and gives what its layers give out."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rung of the ladder: a file, how it was made, and the verdict on it."""

    file: Path
    model: Any
    recipe: Recipe
    verdict: Verdict

    def missed(self) -> tuple[HeadFigures, ...]:
        """Heads below AIMS."""
        return tuple(head for head in self.verdict.figures if head.judged and head.share < AIMS[head.compared])

    def rank(self) -> tuple[bool, float]:
        """The best candidate has the largest: passes the gate, then how far the worst head is above its aim."""
        above = (head.share - AIMS[head.compared] for head in self.verdict.figures if head.judged)
        return self.verdict.state == "accepted", min(above)


class Ladder:
    """Tries int8 with more and more layers left float."""

    def __init__(self, target: Target, reference: EngineConfig, taken: Sample, card: Card, folder: Path) -> None:
        self._target = target
        self._reference = reference
        self._taken = taken
        self._card = card
        self._folder = folder
        self._tried = 0

    def climb(self, say: Say) -> Candidate:
        """The first candidate that reaches the aims, else the best one; raises EngineError where none is accepted.

        Always float is what lies behind the last layer with weights of every output: few operations, on numbers of
        very different size (boxes in pixels beside scores).

        Then activations are shifted where the runtime can, then their outliers are clipped, then everything without
        weights stays float, then twice as many layers with weights each time, noisiest first: from the fastest file
        to slower ones. What does not help is taken back.
        """
        graph = self._target.graph
        tail = frozenset[str]().union(*(graph.near(output, 0) for output in graph.outputs))
        best = self._try(Recipe(tail), say)
        if best.missed() and self._target.shifts:  # where both are ruined, the finer steps tell more about the layers
            best = max(self._try(replace(best.recipe, shifted=True), say), best, key=Candidate.rank)
        changes: list[dict[str, Any]] = [{"clipped": True}, {"floating": tail | graph.unweighted()}]
        for change in changes:
            if best.missed():
                best = max(best, self._try(replace(best.recipe, **change), say), key=Candidate.rank)
        start, ranked, count = best.recipe, list[str](), 1
        while best.missed() and count <= _MOST_FLOATING * len(graph.weighted()):
            ranked = ranked or self._ranked(best)
            recipe = replace(start, floating=start.floating.union(ranked[:count]))
            best = max(best, self._try(recipe, say), key=Candidate.rank)
            count *= 2
        if best.verdict.state != "accepted":
            raise EngineError(
                f"{self._reference.file} does not survive int8 in {self._target.backend}: {best.verdict.reason}",
                "use fp16 or fp32, or give frames that resemble your road more closely",
            )
        return best

    def _try(self, recipe: Recipe, say: Say) -> Candidate:
        self._tried += 1
        tensors = self._taken.calibration
        model = self._target.quantised(_spread(tensors, _CLIPPED) if recipe.clipped else tensors, recipe)
        file = self._folder / f"{self._tried}{'.xml' if self._target.backend == 'openvino' else '.onnx'}"
        self._save(model, file)
        with _own_cache(self._folder):
            candidate = EngineConfig.model_validate({"file": file, "backend": self._target.backend})
            verdict = check(candidate, self._reference, self._taken.held_out)
        if verdict.state == "no verdict":
            raise EngineError(f"int8 cannot be judged: {verdict.reason}", "give frames in which there is more to see")
        say(f"tried int8{self._described(recipe)}: {verdict.reason}")
        return Candidate(file, model, recipe, verdict)

    def _described(self, recipe: Recipe) -> str:
        graph = self._target.graph
        layers = sum(layer in recipe.floating for layer in graph.weighted())
        parts = [
            "only in layers with weights" if graph.unweighted() <= recipe.floating else "",
            "activations shifted" if recipe.shifted else "",
            "outliers clipped" if recipe.clipped else "",
            f"{layers} layers left float" if layers else "",
        ]
        return "".join(f", {part}" for part in parts if part)

    def _save(self, model: Any, file: Path) -> None:
        try:
            self._target.save(model, file, self._card)
        except (OSError, RuntimeError) as fault:  # Python's, and what OpenVINO makes of it
            raise OutputError(f"cannot write {file}: {fault}", f"free some space in {tempfile.gettempdir()}") from fault

    def _ranked(self, candidate: Candidate) -> list[str]:
        """Layers by the noise they add."""
        observe = self._target.observer
        frames = _spread(self._taken.calibration, _OBSERVED)
        return by_added_noise(self._target.graph, observe(None), observe(candidate.model), frames)


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """Keeps what a runtime compiles of mere candidates out of the user's cache; ``folder`` goes with them."""
    usual = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        if usual is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = usual


def _spread(tensors: Sequence[NDArray[np.float32]], count: int) -> Sequence[NDArray[np.float32]]:
    """About ``count`` of them, evenly."""
    return tensors[:: max(1, len(tensors) // count)]
