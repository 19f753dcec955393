"""The parity report: whether a network file gives what its original gives, output by output, on real frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.errors import EngineError, SourceError
from training.differences import Difference, Figure, Tolerance, difference_of

Outputs = Mapping[str, NDArray[Any]]
Run = Callable[[NDArray[Any]], Outputs]
"""Images (B, 3, H, W) → outputs by name, B pictures each."""


@dataclass(frozen=True, slots=True)
class OutputParity:
    """One output in one runtime."""

    output: str
    runtime: str
    figures: tuple[Figure, ...]

    @property
    def holds(self) -> bool:
        """Whether every figure is within its limit."""
        return all(figure.holds for figure in self.figures)

    def __str__(self) -> str:
        return f"{self.output} in {self.runtime}: {'; '.join(map(str, self.figures))}"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Every output in every runtime, over ``frames`` frames."""

    frames: int
    outputs: tuple[OutputParity, ...]

    def lines(self) -> list[str]:
        """For people: one line per output and runtime."""
        return [f"{'holds' if output.holds else 'FAILS'}  {output}" for output in self.outputs]

    def require(self, what: str, cure: str) -> None:
        """Raises EngineError, naming the outputs that fail, where one does."""
        failed = [str(output) for output in self.outputs if not output.holds]
        if failed:
            raise EngineError(
                f"{what} is not shown to be what its original is, so it was not written: {' · '.join(failed)}", cure
            )


def compare(
    original: Run,
    runtimes: Mapping[str, Run],
    card: Card,
    frames: Iterable[NDArray[Any]],
    *,
    tolerance: Tolerance,
    batches: Sequence[int] = (1,),
) -> ParityReport:
    """Holds each of ``runtimes`` against ``original`` on the same frames.

    card: whose heads tell the measure of each output. frames: input tensors, a batch of one each, grouped into
    batches of the sizes ``batches`` in turn (what is left over is dropped). Raises EngineError where a shape differs
    or an output is not finite, SourceError where there are too few frames.
    """
    seen = 0
    differences: dict[tuple[str, str], Difference] = {}
    for images in _batched(frames, batches):
        expected = original(images)
        _require_finite(expected, "the original", seen)
        for runtime, run in runtimes.items():
            found = run(images)
            _require_finite(found, f"the exported network in {runtime}", seen)
            for name, difference in _differences(differences, runtime, card, tolerance, images):
                _require_shape(name, runtime, expected[name], found[name])
                difference.add(expected[name], found[name])
        seen += len(images)
    if not seen:
        raise SourceError(f"too few frames to compare on: {min(batches)} are needed", "give a longer --frames SOURCE")
    outputs = [OutputParity(name, runtime, each.figures()) for (runtime, name), each in differences.items()]
    return ParityReport(seen, tuple(outputs))


def _differences(
    known: dict[tuple[str, str], Difference], runtime: str, card: Card, tolerance: Tolerance, images: NDArray[Any]
) -> Iterator[tuple[str, Difference]]:
    """Each output's name and its measure in one runtime, made at first need."""
    side = max(images.shape[-2:])
    for head in card.heads:
        for index, name in enumerate(head.outputs):
            yield name, known.setdefault((runtime, name), difference_of(head, index, tolerance, side))


def _batched(frames: Iterable[NDArray[Any]], sizes: Sequence[int]) -> Iterator[NDArray[Any]]:
    remaining = iter(frames)
    for size in cycle(sizes):
        batch = list(islice(remaining, size))
        if len(batch) < size:
            return
        yield np.concatenate(batch)


def _require_finite(outputs: Outputs, who: str, first_frame: int) -> None:
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
            raise EngineError(
                f"{who} gives NaN or infinity in output {name!r} on frame {first_frame + bad}",
                "its weights are broken (a training that diverged?), or too large for this precision",
            )


def _require_shape(name: str, runtime: str, expected: NDArray[Any], found: NDArray[Any]) -> None:
    """Ids may stand where the original has scores; everything else keeps its shape."""
    as_ids = (expected.shape[0], *expected.shape[2:]) if expected.ndim == 4 else None
    if found.shape != expected.shape and not (found.dtype.kind in "iub" and found.shape == as_ids):
        raise EngineError(
            f"output {name!r} has the shape {list(found.shape)} in {runtime}, its original {list(expected.shape)}",
            "report this checkpoint: the export changes its shape",
        )
