"""Neighbours of the pipeline for its tests: a source, an engine and outputs whose faults are chosen by the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.config import EngineConfig, RunConfig
from contracts.fit import Fit
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Mask, Part
from contracts.protocols import EngineFacts, Losses, Tensors, Thresholds
from contracts.result import Result
from contracts.tensor import TensorSpec
from engines.places import Places
from pipeline.figures import Figures
from pipeline.runner import Run
from pipeline.session import NamedHead, Session

CARD = Card.from_yaml("{name: fake, input: {scale: 1}, heads: [{name: lane, kind: mask_ids}]}", "fake")


class CountingSource:
    """Gives ``count`` tiny frames whose pixels are their index; may be slow, endless, or fail at one."""

    def __init__(self, count: int = 20, *, fail_at: int | None = None, live: bool = False, pause_s: float = 0) -> None:
        self.info = SourceInfo("fake", "fake:", 8, 8, Fraction(25), Fraction(1, 25), live=live, frames=count)
        self.losses = Losses()
        self.closed = threading.Event()
        self._count, self._fail_at, self._pause_s = count, fail_at, pause_s

    def frames(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self.closed.wait(self._pause_s) if self._pause_s else self.closed.is_set():
                return
            if index == self._fail_at:
                raise RuntimeError("source broke")
            picture = Picture.from_bgr(np.full((8, 8, 3), index % 256, np.uint8))
            yield Frame(picture, index, Fraction(index, 25), time.monotonic_ns(), self.info)

    def close(self) -> None:
        self.closed.set()


class FakeTicket:
    """Holds one of the engine's places until it is closed."""

    def __init__(self, engine: EchoEngine, tensors: Tensors, fail: bool) -> None:
        self._engine, self._tensors, self._fail = engine, tensors, fail
        self._closed = False

    def result(self, timeout_s: float) -> Tensors:
        if self._fail:
            raise RuntimeError("network broke")
        return self._tensors

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._engine.tickets_open -= 1
            self._engine.places.give_back(object(), self)  # one is as good as another


class EchoEngine:
    """Gives its input back; as the real ones, it holds ``depth`` inferences and lets further ones wait."""

    name = "echo"
    inputs = (TensorSpec("x", (1, 8, 8, 3), "uint8", "NHWC"),)
    outputs = (TensorSpec("x", (1, 8, 8, 3), "uint8"),)
    card = CARD
    depth = 2
    facts = EngineFacts("echo", "echo.onnx", "fake", "cpu", "uint8", "0")

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.closed = False
        self.tickets_open = 0
        self.places: Places[object] = Places("echo", [object() for _ in range(self.depth)], 5)
        self._count, self._fail_at = 0, fail_at

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        return np.empty(spec.shape, spec.dtype)

    def submit(self, tensors: Tensors) -> FakeTicket:
        self.places.take()
        self.tickets_open += 1
        self._count += 1
        return FakeTicket(self, tensors, fail=self._count - 1 == self._fail_at)

    def close(self) -> None:
        self.closed = True
        self.places.close()


class FirstPixelHead:
    """A mask whose every value is the frame's first pixel, so that a test can tell frames apart; may fail at one."""

    def __init__(self, fail_at: int | None = None) -> None:
        self._fail_at = fail_at

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Part:
        if outputs["x"].flat[0] == self._fail_at:
            raise RuntimeError("head broke")
        return Mask(np.full((2, 2), outputs["x"].flat[0], np.uint8), fit, "lane")


class ListOutput:
    """Keeps the indices it was given; may fail in open, at one write, or in close; may be slow."""

    def __init__(
        self,
        name: str = "list",
        *,
        fail_at: int | None = None,
        fail_close: bool = False,
        pause_s: float = 0,
        drawn: bool = False,
    ) -> None:
        self.name, self.wants_drawn = name, drawn
        self.indices: list[int] = []
        self.seen: list[int] = []
        self.closes: list[BaseException | None] = []
        self._fail_at, self._fail_close, self._pause_s = fail_at, fail_close, pause_s

    def open(self, sources: Sequence[SourceInfo]) -> None:
        pass

    def write(self, result: Result) -> None:
        if result.frame.index == self._fail_at:
            raise RuntimeError("output broke")
        time.sleep(self._pause_s)
        self.indices.append(result.frame.index)
        mask = result.prediction["lane"]
        assert isinstance(mask, Mask)
        self.seen.append(int(mask.data[0, 0]))

    def close(self, error: BaseException | None) -> None:
        self.closes.append(error)
        if self._fail_close:
            raise RuntimeError("close broke")


def session(engine: EchoEngine, head: FirstPixelHead, *, name: str = "lane", every: int = 1) -> Session:
    """A session around a fake engine, with the real preparer."""
    config = EngineConfig(file=Path("echo.onnx"), every=every)
    return Session(engine, config, (NamedHead(name, head, Thresholds()),))


def make_run(
    source: CountingSource,
    outputs: Sequence[ListOutput] = (),
    *,
    engine: EchoEngine | None = None,
    head: FirstPixelHead | None = None,
    every: int = 1,
    more: Sequence[Session] = (),
    paint: Callable[[Result], Picture] = lambda result: result.frame.picture,
    **options: Any,
) -> Run:
    """A run of the real runner between fake neighbours; ``more``: sessions beside that of ``engine``."""
    config = RunConfig.build({"sources": ["fake"], **options})
    sessions = [session(engine or EchoEngine(), head or FirstPixelHead(), every=every), *more]
    figures = Figures(outputs, ["echo"] * len(sessions))
    return Run(
        config,
        source,
        sessions,
        outputs,
        paint=paint,
        figures=figures,
    )
