"""Control: how a run is steered while it goes on, by its window say. For any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOK_S = 0.1  # how late a paused output may notice that the run ends


class Control:
    """What may be asked of a run. ``stop``: what ends the run in order; None where there is none yet to end."""

    def __init__(self, stop: Callable[[], None] | None = None) -> None:
        self.stopping = threading.Event()
        """Set when the run takes no more frames, whoever asked; frames on their way are finished."""
        self.stop = stop or self.stopping.set
        """Ends the run in order, as leaving the loop of ``stream()`` does: no error, outputs finished."""
        self._going = threading.Event()
        self._going.set()
        self._lock = threading.Lock()
        self._since: int | None = None
        self._before_ns = 0

    def pause(self) -> None:
        """Let no output write another frame: they wait in their queues, nothing is lost. For recorded sources."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic_ns()
                self._going.clear()

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            if self._since is not None:
                self._before_ns += time.monotonic_ns() - self._since
                self._since = None
                self._going.set()

    def wait_while_paused(self) -> None:
        """Return when the run goes on or ends: at once where it is not paused."""
        while not self.stopping.is_set() and not self._going.wait(_LOOK_S):
            pass

    def clock_ns(self) -> int:
        """A monotonic clock that stands while the run is paused: for pacing, throughput and the time left."""
        with self._lock:
            now = time.monotonic_ns()
            return now - self._before_ns - (now - self._since if self._since is not None else 0)
