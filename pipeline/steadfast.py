"""Waiting for what must be finished: one Ctrl-C does not end the wait and is told after it, a second one does."""

from __future__ import annotations

import threading


class Steadfast:
    """Waits for events, one after the other; ``tell`` when all are waited for."""

    def __init__(self) -> None:
        self._interrupted: KeyboardInterrupt | None = None

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Whether the event is set, after so many seconds or a Ctrl-C at the latest. Raises the second Ctrl-C."""
        try:
            return event.wait(seconds)
        except KeyboardInterrupt as again:
            if self._interrupted is not None:
                raise
            self._interrupted = again
            return event.is_set()

    def tell(self) -> None:
        """Raises the first Ctrl-C, if there was one."""
        if self._interrupted is not None:
            raise self._interrupted
