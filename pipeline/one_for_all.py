"""An output of the caller's own in a run of several sources: one object, opened for each, written to in turn.

What it counts itself is of all sources: the figures of the run have it, those of a source do not.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from contracts.frame import Frame, SourceInfo
from contracts.protocols import Chronicler, Ending, Output
from contracts.result import Result


class OneForAll:
    """Hands every source a part to write to; the output itself is closed once, by the owner of the run."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.lock = threading.Lock()

    def part(self) -> Output:
        """What one source writes to, from whatever thread."""
        return _ChroniclerPart(self) if isinstance(self.output, Chronicler) else Part(self)

    def close(self, error: BaseException | None) -> None:
        """After all sources have ended."""
        self.output.close(error)


class Part:
    """One source's; ``whole`` is the caller's output."""

    def __init__(self, shared: OneForAll) -> None:
        self.whole, self._lock = shared.output, shared.lock
        self.name, self.wants_drawn = self.whole.name, self.whole.wants_drawn

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """For this source, whatever the others do."""
        with self._lock:
            self.whole.open(sources)

    def write(self, result: Result) -> None:
        """In turn with the others."""
        with self._lock:
            self.whole.write(result)

    def close(self, error: BaseException | None) -> None:
        """Nothing: others may still write."""


class _ChroniclerPart(Part):
    def finished(self, frame: Frame, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        assert isinstance(self.whole, Chronicler)
        with self._lock:
            self.whole.finished(frame, latency_ns, age_ns, dropped, lost)

    def conclude(self, ending: Ending) -> None:
        pass  # told once, of the whole run
