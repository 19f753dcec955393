"""Control: how a run is steered while it goes on, by its window say. For any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOK_S = 0.1  # how late a paused output may notice that the run ends


class _Pause:
    """A clock that can stand."""

    def __init__(self) -> None:
        self.going = threading.Event()
        self.going.set()
        self._lock = threading.Lock()
        self._since: int | None = None
        self._before_ns = 0

    def begin(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic_ns()
                self.going.clear()

    def end(self) -> None:
        with self._lock:
            if self._since is not None:
                self._before_ns += time.monotonic_ns() - self._since
                self._since = None
                self.going.set()

    def clock_ns(self) -> int:
        with self._lock:
            now = time.monotonic_ns()
            return now - self._before_ns - (now - self._since if self._since is not None else 0)


class Control:
    """What may be asked of a run. ``stop``: what ends the run in order; None where there is none yet to end."""

    def __init__(self, stop: Callable[[], None] | None = None) -> None:
        self.stopping = threading.Event()
        """Set when the run takes no more frames, whoever asked; frames on their way are finished."""
        self.stop = stop or self.stopping.set
        """Ends the run in order, as leaving the loop of ``stream()`` does: no error, outputs finished."""
        self._pause = _Pause()

    def part(self) -> Control:
        """The control of one source of a run with several: it ends alone and is paused with all others."""
        made = Control()
        made._pause = self._pause
        return made

    def pause(self) -> None:
        """Let no output write another frame: they wait in their queues, nothing is lost. For recorded sources."""
        self._pause.begin()

    def resume(self) -> None:
        """Go on."""
        self._pause.end()

    def wait_while_paused(self) -> None:
        """Return when the run goes on or ends: at once where it is not paused."""
        while not self.stopping.is_set() and not self._pause.going.wait(_LOOK_S):
            pass

    def clock_ns(self) -> int:
        """A monotonic clock that stands while the run is paused: for pacing, throughput and the time left."""
        return self._pause.clock_ns()
