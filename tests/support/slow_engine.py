"""An engine that takes its time, and an output that notes how old what it gets is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.frame import SourceInfo
from contracts.protocols import Tensors
from contracts.result import Result
from tests.support.fakes import EchoEngine, FakeTicket
from tests.support.numbered import number_in


class _SlowTicket(FakeTicket):
    def __init__(self, engine: SlowEngine, tensors: Tensors) -> None:
        super().__init__(engine, tensors, fail=False)
        self._slow = engine

    def result(self, timeout_s: float) -> Tensors:
        self._slow.wait()
        return super().result(timeout_s)


class SlowEngine(EchoEngine):
    """Takes ``seconds`` for every frame, one after the other."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def submit(self, tensors: Tensors) -> FakeTicket:
        self.places.take()
        self.tickets_open += 1
        return _SlowTicket(self, tensors)

    def wait(self) -> None:
        """The time a frame takes."""
        time.sleep(self._seconds)


@dataclass(frozen=True, slots=True)
class Seen:
    """One result: its number, burnt in (None: unreadable), its index, the age of its picture at the output."""

    number: int | None
    index: int
    age_s: float
    at_s: float


class AgeOutput:
    """Notes every result. made_ns: when the picture with a number was made, on the monotonic clock."""

    name, wants_drawn = "age", False

    def __init__(self, made_ns: Callable[[int], int]) -> None:
        self._made_ns = made_ns
        self.seen: list[Seen] = []

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Nothing to do."""

    def write(self, result: Result) -> None:
        now = time.monotonic_ns()
        number = number_in(result.frame.picture.planes[0])
        age = float("nan") if number is None else (now - self._made_ns(number)) / 1e9
        self.seen.append(Seen(number, result.frame.index, age, now / 1e9))

    def close(self, error: BaseException | None) -> None:
        """Nothing to do."""
