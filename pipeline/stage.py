"""Stage: one thread that takes from a queue, works, and hands on.

The rule that ends a run: whoever stops, for whatever reason, aborts its inbox (so everybody before it stops) and
finishes its outboxes (so everybody behind it works off what it has and closes).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from pipeline.queues import Aborted, BoundedQueue

In = TypeVar("In")
Out = TypeVar("Out")


class Stage(threading.Thread, Generic[In, Out]):
    """Runs ``work`` on every item of ``inbox`` and puts the answer (None: nothing) into every outbox.

    ``inbox`` may be any iterable (the reader's is the source). ``fail`` receives the first error of ``work``;
    ``last`` runs once at the end, in this thread, whatever happened; its error goes to ``fail`` too.
    """

    def __init__(
        self,
        name: str,
        inbox: Iterable[In],
        work: Callable[[In], Out | None],
        outboxes: Sequence[BoundedQueue[Out]],
        *,
        fail: Callable[[BaseException], None],
        last: Callable[[], None] = lambda: None,
    ) -> None:
        # A daemon, so that a thread hung in somebody's library cannot keep the process alive after it was named.
        super().__init__(name=f"roadstream-{name}", daemon=True)
        self._inbox, self._work, self._outboxes = inbox, work, outboxes
        self._fail, self._last = fail, last
        self.ended = threading.Event()
        """Set when all is done. A ``join`` that Ctrl-C interrupts calls a running thread dead (CPython 3.11)."""
        self.stirred_ns = time.monotonic_ns()
        """When this stage last finished something; tells working from hanging."""

    def run(self) -> None:
        """Work until the inbox ends; never raises."""
        try:
            for item in self._inbox:
                answer = self._work(item)
                self.stirred_ns = time.monotonic_ns()
                del item
                if answer is not None:
                    for outbox in self._outboxes:
                        outbox.put(answer)
                del answer
        except Aborted:
            pass  # somebody behind us stopped and has said why
        except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
            self._fail(error)
        finally:
            self._end()
            self.ended.set()

    def _end(self) -> None:
        if isinstance(self._inbox, BoundedQueue):
            self._inbox.abort()
        for outbox in self._outboxes:
            outbox.finish()
        self.stirred_ns = time.monotonic_ns()
        try:
            self._last()
        except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
            self._fail(error)
