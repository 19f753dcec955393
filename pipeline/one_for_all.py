"""An output of the caller's own in a run of several sources: one object, opened for each, written to in turn."""

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
        return _ChroniclerPart(self) if isinstance(self.output, Chronicler) else _Part(self)

    def close(self, error: BaseException | None) -> None:
        """After all sources have ended."""
        self.output.close(error)


class _Part:
    def __init__(self, whole: OneForAll) -> None:
        self._whole = whole
        self.name, self.wants_drawn = whole.output.name, whole.output.wants_drawn

    def open(self, sources: Sequence[SourceInfo]) -> None:
        with self._whole.lock:
            self._whole.output.open(sources)

    def write(self, result: Result) -> None:
        with self._whole.lock:
            self._whole.output.write(result)

    def close(self, error: BaseException | None) -> None:
        pass  # others may still write


class _ChroniclerPart(_Part):
    def finished(self, frame: Frame, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        assert isinstance(self._whole.output, Chronicler)
        with self._whole.lock:
            self._whole.output.finished(frame, latency_ns, age_ns, dropped, lost)

    def conclude(self, ending: Ending) -> None:
        pass  # told once, of the whole run
