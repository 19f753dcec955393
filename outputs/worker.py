"""Worker: a thread that finishes things behind an output's back, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue

_WAITING = 2  # jobs; whoever brings a third waits, so a disk that is too slow is felt like any slow disk


class Worker(threading.Thread):
    """Does jobs in the order they come, all of them, also after one failed. Always ``end``."""

    def __init__(self, name: str) -> None:
        # A daemon, so that a disk that hangs cannot keep the process alive after the run has named it.
        super().__init__(name=f"roadstream-{name}", daemon=True)
        self._jobs: Queue[Callable[[], object] | None] = Queue(_WAITING)
        self._error: BaseException | None = None

    def do(self, job: Callable[[], object]) -> None:
        """Hands a job over."""
        self._jobs.put(job)

    def check(self) -> None:
        """Raises the first error of a job, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self) -> None:
        """Waits until every job is done; raises the first error of one."""
        self._jobs.put(None)
        self.join()
        self.check()

    def run(self) -> None:
        """Work until told to end; never raises."""
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
                self._error = self._error or error
            del job
