"""The promises between rooms. Whoever keeps one of these fits in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.fit import Fit
from contracts.frame import Frame, SourceInfo
from contracts.picture import Pixels
from contracts.prediction import Part
from contracts.result import Result
from contracts.tensor import TensorSpec

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Losses:
    """What a source could not give.

    lost: frames that came damaged, or fell into the time a live source was gone. reconnects: how often that came again.
    dropped: frames of a live source that nobody took in time.
    """

    lost: int = 0
    reconnects: int = 0
    dropped: int = 0


class Source(Protocol):
    """Gives frames. Opened by its constructor, which has read the first frame (so ``info`` is exact)."""

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""

    @property
    def losses(self) -> Losses:
        """What was lost so far; safe to read from any thread."""

    def frames(self) -> Iterator[Frame]:
        """The frames, once. Every wait inside has a deadline. Raises SourceError."""

    def close(self) -> None:
        """Ends ``frames()`` soon, also from another thread; may be called twice."""


class Ticket(Protocol):
    """One inference on its way. Results come in the order of submission."""

    def result(self, timeout_s: float) -> Tensors:
        """Outputs by name: read-only views, valid until ``close()``. Raises EngineError when time is up."""

    def close(self) -> None:
        """Gives the buffers back; may be called twice."""


class Engine(Protocol):
    """Runs one network file. ``submit`` and tickets may be used from different threads."""

    @property
    def name(self) -> str:
        """Short name, from the file."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``submit`` wants."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What a ticket's result holds."""

    @property
    def card(self) -> Card:
        """What the file cannot say itself."""

    @property
    def depth(self) -> int:
        """How many inferences may be on their way at once."""

    @property
    def facts(self) -> EngineFacts:
        """What runs where, for the stats."""

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        """A writable input array from the engine's pool; it belongs to the ticket it is submitted with."""

    def submit(self, tensors: Tensors) -> Ticket:
        """Starts one inference; waits (with a deadline) while ``depth`` are on their way. Raises EngineError."""

    def close(self) -> None:
        """Frees everything; may be called twice."""


class PictureMaker(Protocol):
    """A network that makes pictures out of random numbers. Used by one thread at a time."""

    @property
    def latent(self) -> int:
        """How many numbers a picture is made of."""

    @property
    def batch(self) -> int:
        """How many pictures are made at once."""

    @property
    def width(self) -> int:
        """Pixels per row of a picture."""

    @property
    def height(self) -> int:
        """Rows of a picture."""

    def pictures(self, latents: NDArray[np.float32]) -> Pixels:
        """uint8 (batch, height, width, 3) BGR from float32 (batch, latent). Raises EngineError."""

    def close(self) -> None:
        """Frees the network; may be called twice."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the stats say about an engine."""

    name: str
    file: str
    backend: str
    device: str
    precision: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Values of the run that may change while it runs. ``classes`` None: all."""

    score: float = 0.25
    iou: float = 0.45
    max_detections: int = 300
    class_agnostic: bool = False
    classes: frozenset[str] | None = None


class Head(Protocol):
    """Turns a network's outputs into one part of a Prediction. Pure; the CPU twin of every GPU kernel."""

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Part:
        """Outputs of one frame → part. ``frame_size`` is (width, height). Copies what it keeps."""


class Output(Protocol):
    """Takes results. ``close`` is always called, exactly once, and finishes files."""

    @property
    def name(self) -> str:
        """What stages and messages call it ("mp4", "events" …)."""

    @property
    def wants_drawn(self) -> bool:
        """Whether ``write`` will ask for the annotated picture."""

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Gets ready; fails here rather than after an hour. Raises OutputError.

        An output of the caller's own, in a run of several sources, is opened for each as that comes; ``write`` is
        called by one thread at a time then, too.
        """

    def write(self, result: Result) -> None:
        """Takes one result. Raises OutputError."""

    def close(self, error: BaseException | None) -> None:
        """Finishes; ``error`` is why the run ended early, None when it did not. Raises OutputError."""


@runtime_checkable
class Selective(Output, Protocol):
    """An output that does not wait for where it writes to: it may leave frames out that it was given."""

    @property
    def dropped(self) -> int:
        """How many so far; exact once it is closed. Safe to read from any thread."""


@runtime_checkable
class Accountant(Output, Protocol):
    """An output with figures of its own for its entry in the statistics."""

    def counts(self) -> Mapping[str, Any]:
        """What JSON holds, by name; from any thread, also while the run lasts."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run went, once everything is closed.

    statistics: the object of ``--stats``. warnings: what was logged as one while the run lasted, in order, each text
    once, without secrets that its source knows. error: what ended the run, None when nothing did. stopped: why the
    run ended before its source did, without an error ("interrupted" …); "" where it went to the end.
    """

    statistics: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None
    stopped: str = ""


@runtime_checkable
class Chronicler(Output, Protocol):
    """An output that tells of the run itself: it follows every frame to its end, and hears how the run ended."""

    def finished(self, frame: Frame, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        """All outputs have this frame: its latency, its age (live sources), and the run's drops and losses so far.

        Called from the thread of whichever output was last; must be quick.
        """

    def conclude(self, ending: Ending) -> None:
        """Called once, after every output (this one too) is closed. Raises OutputError."""
