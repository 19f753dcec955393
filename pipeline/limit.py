"""Limit: what the hardware allows for a run's very work, measured beside the run on the same frames.

On a CPU: ``effective cores / (D + I + E)`` frames per second, where D, I and E are CPU-seconds per frame of decoding
alone, inference alone (every engine, ready tensors, same threads and hint) and encoding alone (same settings), and
effective cores are the CPU-seconds per wall second that a saturating burn gets: shared machines give less than they
name. Everything is taken in rounds, interleaved with the run itself, because such machines are not steady.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contracts.config import RunConfig
from contracts.errors import SourceError
from contracts.fit import Fit
from contracts.picture import Picture
from contracts.prediction import Prediction
from contracts.protocols import Source
from contracts.result import Result, Timings
from outputs.open import outputs_of
from pipeline.session import INFERENCE_TIMEOUT_S, Session, open_sessions
from pipeline.stream import Stream
from sources.open import open_source

_BURN_S = 0.6
_BURN_BLOCK = b"\0" * (1 << 20)
_ENCODE_FRAMES = 96  # drawn pictures held for encoding alone: 130 MiB at 1280×720
_TENSORS = 16  # ready inputs for inference alone
_GOOD_ROUND = 0.8  # a round that gets less of the named cores than this says more about the neighbours


def cores() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def effective_cores() -> float:
    """CPU-seconds per wall second that a burn on every core gets right now."""
    until = time.monotonic() + _BURN_S

    def burn() -> None:
        while time.monotonic() < until:
            hashlib.sha256(_BURN_BLOCK).digest()  # lets go of the interpreter's lock

    threads = [threading.Thread(target=burn) for _ in range(cores())]
    wall, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - cpu) / (time.monotonic() - wall)


@dataclass(frozen=True, slots=True)
class Round:
    """One round: CPU ms per frame of the parts alone, effective cores before and after, and the run itself."""

    decode_ms: float
    infer_ms: float
    encode_ms: float
    cores: float
    throughput_fps: float
    run_cpu_ms: float
    statistics: dict[str, Any]

    @property
    def limit_fps(self) -> float:
        """Frames per second the hardware allowed in this round."""
        return self.cores / (self.decode_ms + self.infer_ms + self.encode_ms) * 1e3

    @property
    def ratio(self) -> float:
        """The run's throughput against the limit."""
        return self.throughput_fps / self.limit_fps

    @property
    def own_cpu_ms(self) -> float:
        """CPU ms per frame of the run that is neither decoding, nor inference, nor encoding."""
        return self.run_cpu_ms - self.decode_ms - self.infer_ms - self.encode_ms


@dataclass(frozen=True, slots=True)
class Bench:
    """All rounds, and those that count."""

    rounds: tuple[Round, ...]
    named_cores: int

    @property
    def kept(self) -> tuple[Round, ...]:
        """Rounds that got most of the cores; all of them when none did."""
        good = tuple(one for one in self.rounds if one.cores >= _GOOD_ROUND * self.named_cores)
        return good or self.rounds

    def median(self, value: Callable[[Round], float]) -> float:
        """The median of a figure over the rounds that count."""
        return statistics.median(value(one) for one in self.kept)


def bench(config: RunConfig, rounds: int, report: Callable[[int, Round], None]) -> Bench:
    """Measure ``rounds`` interleaved rounds; ``report`` is called after each. Raises what a run raises."""
    done: list[Round] = []
    with TemporaryDirectory(prefix="roadstream-bench-") as folder:
        parts = _Parts.of(config, Path(folder))
        try:
            for number in range(1, rounds + 1):
                done.append(_round(config, parts, Path(folder)))
                report(number, done[-1])
        finally:
            parts.close()
    return Bench(tuple(done), cores())


def _round(config: RunConfig, parts: _Parts, folder: Path) -> Round:
    before = effective_cores()
    decode, infer, encode = parts.decode_ms(), parts.infer_ms(), parts.encode_ms()
    middle = effective_cores()
    cpu = time.process_time()
    run = Stream(_with_output(config, folder / "run.mp4"))
    for _ in run:
        pass
    figures = run.statistics()
    # Opening the source and compiling the networks belong to neither side: the run's own clock starts after them.
    run_cpu = time.process_time() - cpu - run.opening_cpu_s
    after = effective_cores()
    return Round(
        decode_ms=decode,
        infer_ms=infer,
        encode_ms=encode,
        cores=statistics.mean((before, middle, after)),
        throughput_fps=figures["throughput_fps"],
        run_cpu_ms=run_cpu / max(figures["frames"]["inferred"], 1) * 1e3,
        statistics=figures,
    )


def _with_output(config: RunConfig, path: Path) -> RunConfig:
    """The run to measure: the user's own if it saves, else no output; into a place that is removed again."""
    update: dict[str, Any] = {"events": None, "stats": None, "overwrite": True, "audio": False}
    update["save"] = path if config.save is not None else None
    return config.model_copy(update=update)


@dataclass(slots=True)
class _Parts:
    """Decoding, inference and encoding of the same frames, each alone."""

    config: RunConfig
    folder: Path
    sessions: list[Session]
    prepared: list[list[Any]] = field(default_factory=list)
    drawn: list[Result] = field(default_factory=list)

    @classmethod
    def of(cls, config: RunConfig, folder: Path) -> _Parts:
        """Open the engines and make what inference and encoding need, by a short run of the same configuration."""
        parts = cls(config, folder, [])
        wanted = config.model_copy(update={"max_frames": min(_ENCODE_FRAMES, config.max_frames or _ENCODE_FRAMES)})
        sample = _with_output(wanted, folder / "sample.mp4").model_copy(update={"save": None})
        pictures: list[Picture] = []
        for result in Stream(sample):
            if config.save is not None:
                fixed = result.drawn()
                parts.drawn.append(_finished(result, fixed))
            if len(pictures) < _TENSORS:
                pictures.append(result.frame.picture)
        parts.sessions = open_sessions(config, live=config.live)
        for session in parts.sessions:
            inputs = [session.prepare(picture) for picture in pictures]
            parts.prepared.append(
                [({name: array.copy() for name, array in tensors.items()}, fit) for tensors, fit in inputs]
            )
        return parts

    def close(self) -> None:
        """Free the engines."""
        for session in self.sessions:
            session.engine.close()

    def _source(self) -> Source:
        return open_source(self.config.sources[0], start=self.config.start, loop=self.config.loop)

    def decode_ms(self) -> float:
        """CPU ms per frame of reading the source and nothing else."""
        source = self._source()
        cpu, count = time.process_time(), 0
        try:
            for frame in source.frames():
                if self.config.seconds is not None and frame.pts >= self.config.seconds:
                    break
                count += 1
                if count == self.config.max_frames:
                    break
        finally:
            source.close()
        if count == 0:
            raise SourceError(f"{self.config.sources[0]} gave no frame to measure", "check --seconds and --start")
        return (time.process_time() - cpu) / count * 1e3

    def infer_ms(self) -> float:
        """CPU ms per frame of the networks with ready tensors, as many on their way as in a run."""
        return sum(_infer_ms(session, tensors) for session, tensors in zip(self.sessions, self.prepared, strict=True))

    def encode_ms(self) -> float:
        """CPU ms per frame of writing pictures that are already drawn; 0 when the run saves nothing."""
        if not self.drawn:
            return 0.0
        path = self.folder / "encode.mp4"
        outputs = outputs_of(_with_output(self.config, path))
        cpu = time.process_time()
        for output in outputs:
            output.open([self.drawn[0].frame.source])
            for result in self.drawn:
                output.write(result)
            output.close(None)
        return (time.process_time() - cpu) / len(self.drawn) * 1e3


def _finished(result: Result, picture: Picture) -> Result:
    """The same frame with its picture already drawn."""
    return Result(result.frame, Prediction(), Timings(result.timings.arrival), lambda _: picture)


def _kept(prepared: tuple[dict[str, Any], Fit]) -> tuple[dict[str, Any], Fit]:
    tensors, fit = prepared
    return {name: array.copy() for name, array in tensors.items()}, fit


def _infer_ms(session: Session, inputs: list[Any], seconds: float = 2.0) -> float:
    pending: deque[Any] = deque()
    ready: set[int] = set()  # buffers that already hold a frame: the engine's pool gives the same ones again
    cpu, count, until = time.process_time(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        tensors, fit = inputs[count % len(inputs)]
        own = {spec.name: session.engine.buffer(spec) for spec in session.engine.inputs}
        for name, array in own.items():
            if array.ctypes.data not in ready:
                array[...] = tensors[name]
                ready.add(array.ctypes.data)
        pending.append(session.submit((own, fit)))
        count += 1
        if len(pending) >= session.engine.depth:
            _take(pending.popleft())
    while pending:
        _take(pending.popleft())
    return (time.process_time() - cpu) / count * 1e3


def _take(pending: Any) -> None:
    pending.ticket.result(INFERENCE_TIMEOUT_S)
    pending.ticket.close()
