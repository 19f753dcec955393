"""Connections whose course a test writes down beforehand: what comes, what goes wrong, what hangs."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np

from sources.live.connection import Attempt, Connection, Received

Step: TypeAlias = "int | float | str | Exception | Callable[[], object]"
"""A picture with this stamp, a wait of so many seconds, ``"unstamped"`` (a picture), ``"hang"``, ``"end"``, ``"lost"``
(a picture that cannot be decoded), what is raised, or something to do meanwhile."""

TICK = Fraction(1, 25)


def picture(stamp: int | None, width: int = 16, height: int = 16) -> av.VideoFrame:
    """A grey frame whose every pixel is its stamp."""
    frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), (stamp or 0) % 256, np.uint8), format="bgr24")
    frame.pts = stamp
    return frame


class ScriptedConnection:
    """Goes through its steps, one per ``receive``; after the last one it hangs."""

    time_base = TICK
    rate: Fraction | None = Fraction(25)
    frames = None
    borrowed = False

    def __init__(
        self, steps: Sequence[Step], *, live: bool, size: tuple[int, int], stopped: Callable[[], bool]
    ) -> None:
        self._steps, self._size, self._stopped = list(steps), size, stopped
        self.live, self.lost = live, 0
        self.closed = 0

    def receive(self) -> Sequence[Received] | None:
        step = self._steps.pop(0) if self._steps else "hang"
        if isinstance(step, Exception):
            raise copy.copy(step)  # raised again and again, one would gather a trace of them all
        if step == "end":
            return None
        if step == "lost":
            self.lost += 1
        elif step == "unstamped":
            return [Received(picture(None, *self._size), time.monotonic_ns())]
        elif step == "hang":
            while not self._stopped():
                time.sleep(0.005)
        elif callable(step):
            step()
        elif isinstance(step, float):
            time.sleep(step)
        elif isinstance(step, int):
            return [Received(picture(step, *self._size), time.monotonic_ns())]
        return ()

    def close(self) -> None:
        self.closed += 1


@dataclass
class Script:
    """An opener: the n-th try gets the n-th course, the last one again and again. Keeps what it was asked."""

    courses: Sequence[Sequence[Step] | Exception]
    live: bool = True
    sizes: Sequence[tuple[int, int]] = ((16, 16),)
    attempts: list[Attempt] = field(default_factory=list)
    opened: list[ScriptedConnection] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, attempt: Attempt) -> Connection:
        number = len(self.attempts)
        self.attempts.append(attempt)
        course = self.courses[min(number, len(self.courses) - 1)]
        if isinstance(course, Exception):
            raise copy.copy(course)
        size = self.sizes[min(number, len(self.sizes) - 1)]
        stopped = attempt.stopped
        made = ScriptedConnection(course, live=self.live, size=size, stopped=lambda: stopped() or self.over.is_set())
        self.opened.append(made)
        return made
