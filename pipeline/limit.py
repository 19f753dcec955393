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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from contracts.config import RunConfig
from contracts.errors import SourceError
from contracts.fit import Fit
from contracts.output_options import without_outputs
from contracts.picture import Picture
from engines.open import open_generator
from outputs.encoder import VideoSettings, choose, usual_rate
from outputs.i420 import encodable
from pipeline.default_network import with_checked_network
from pipeline.session import INFERENCE_TIMEOUT_S, Session, open_sessions
from pipeline.stream import Stream
from sources.open import open_source

_NO_OUTPUTS: dict[str, Any] = {**without_outputs(), "segment": None, "keep": None}
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
    config = with_checked_network(config)
    done: list[Round] = []
    with TemporaryDirectory(prefix="roadstream-bench-") as folder:
        parts = _Parts.of(config)
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
    run = Stream(_with_output(config, folder / "run.mp4"))
    for _ in run:
        pass
    figures = run.statistics()
    after = effective_cores()
    return Round(
        decode_ms=decode,
        infer_ms=infer,
        encode_ms=encode,
        cores=statistics.mean((before, middle, after)),
        throughput_fps=figures["throughput_fps"],
        run_cpu_ms=figures["cpu_ms"],
        statistics=figures,
    )


def _with_output(config: RunConfig, path: Path) -> RunConfig:
    """The run to measure: the user's own if it saves, else no output; into a place that is removed again."""
    update: dict[str, Any] = {**_NO_OUTPUTS, "overwrite": True, "audio": False}
    update["save"] = path if config.save is not None else None
    return config.model_copy(update=update)


@dataclass(slots=True)
class _Parts:
    """Decoding, inference and encoding of the same frames, each alone."""

    config: RunConfig
    sessions: list[Session]
    prepared: list[list[Any]] = field(default_factory=list)
    drawn: list[Picture] = field(default_factory=list)
    rate: Fraction = Fraction(30)

    @classmethod
    def of(cls, config: RunConfig) -> _Parts:
        """Open the engines and make what inference and encoding need, by a short run of the same configuration."""
        parts = cls(config, [])
        wanted = config.model_copy(update={"max_frames": min(_ENCODE_FRAMES, config.max_frames or _ENCODE_FRAMES)})
        sample = wanted.model_copy(update=_NO_OUTPUTS)
        pictures: list[Picture] = []
        for result in Stream(sample):
            if config.save is not None:
                parts.drawn.append(result.drawn())
            if len(pictures) < _TENSORS:
                pictures.append(result.frame.picture)
            parts.rate = usual_rate(result.frame.source.rate)
        parts.sessions = open_sessions(config, live=config.live)
        for session in parts.sessions:
            parts.prepared.append([_kept(session.prepare(picture)) for picture in pictures])
        return parts

    def close(self) -> None:
        """Free the engines."""
        for session in self.sessions:
            session.engine.close()

    def decode_ms(self) -> float:
        """CPU ms per frame of decoding and nothing else: FFmpeg's own loop for files, the source's for others."""
        path = Path(self.config.sources[0])
        cpu, count = time.process_time(), 0
        for pts in _decoded(path) if path.is_file() else self._rendered():
            if pts < self.config.start:
                cpu = time.process_time()  # skipped frames cost nobody anything but time
                continue
            if self.config.seconds is not None and pts >= self.config.start + self.config.seconds:
                break
            count += 1
            if count == self.config.max_frames:
                break
        if count == 0:
            raise SourceError(f"{self.config.sources[0]} gave no frame to measure", "check --seconds and --start")
        return (time.process_time() - cpu) / count * 1e3

    def _rendered(self) -> Iterator[float]:
        source = open_source(self.config.sources[0], maker=open_generator)
        try:
            yield from (float(frame.pts) for frame in source.frames())
        finally:
            source.close()

    def infer_ms(self) -> float:
        """CPU ms per frame of the networks with ready tensors, as many on their way as in a run.

        Per frame of the run: a network that looks at every N-th one counts for an N-th.
        """
        return sum(
            _infer_ms(session, tensors) / session.config.every
            for session, tensors in zip(self.sessions, self.prepared, strict=True)
        )

    def encode_ms(self) -> float:
        """CPU ms per frame of the encoder with pictures that are already drawn; 0 when the run saves nothing."""
        if not self.drawn:
            return 0.0
        size = (self.drawn[0].width, self.drawn[0].height)
        encoder = choose(VideoSettings(self.config.codec, self.config.crf, self.config.preset), size, self.rate)
        context = av.CodecContext.create(encoder.name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.options = dict(encoder.options)
        encoder.set_up(context, size, self.rate)
        frames = [encodable(picture, size) for picture in self.drawn]
        cpu = time.process_time()
        for number, frame in enumerate(frames):
            frame.time_base, frame.pts = context.time_base, round(number / self.rate / context.time_base)
            context.encode(frame)
        context.encode(None)
        return (time.process_time() - cpu) / len(frames) * 1e3


def _decoded(path: Path) -> Iterator[float]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        zero: float | None = None
        for frame in container.decode(video=0):
            zero = frame.time if zero is None else zero
            yield (frame.time or 0.0) - (zero or 0.0)


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
