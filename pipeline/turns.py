"""Turns: results of several sources for one caller, who takes one of each in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from pipeline.queues import BoundedQueue

Item = TypeVar("Item")

_WAKE_S = 0.5  # waits are in slices, so that signals reach a waiting main thread on every platform


class Turns(Generic[Item]):
    """Iterate once: items of all queues as they come, one of each queue in turn where several have some.

    expected: how many queues there will be; it ends when so many have ended (or were ``missed``).
    """

    def __init__(self, expected: int) -> None:
        self.changed = threading.Condition()
        """To be shared by all the queues."""
        self._queues: deque[BoundedQueue[Item]] = deque()
        self._left = expected

    def add(self, queue: BoundedQueue[Item]) -> None:
        """One of the expected queues; it was made with ``changed``."""
        with self.changed:
            self._queues.append(queue)
            self.changed.notify_all()

    def missed(self) -> None:
        """One of the expected queues will never come."""
        with self.changed:
            self._left -= 1
            self.changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self.changed:
                while (item := self._next()) is None and self._left > 0:
                    self.changed.wait(_WAKE_S)
            if item is None:
                return
            yield item
            del item  # a waiting caller must not keep the last frame's memory

    def _next(self) -> Item | None:
        for _ in range(len(self._queues)):
            queue = self._queues.popleft()
            item = queue.poll()
            if item is None and queue.ended:
                self._left -= 1
                continue
            self._queues.append(queue)
            if item is not None:
                return item
        return None
