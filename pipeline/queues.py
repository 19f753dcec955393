"""A bounded queue between two stages, with a drop policy and an orderly end.

It ends in one of three ways: ``finish()`` (the producer is done; what is queued is still taken), ``abort()`` (the
consumer is gone; producers are told so) and ``discard()`` (nobody looks any more, but the producer goes on).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

_WAKE_S = 0.5  # waits are in slices, so that signals reach a waiting main thread on every platform


class Aborted(Exception):  # noqa: N818  # a signal between threads, not an error
    """The consumer of this queue is gone."""


class BoundedQueue(Generic[Item]):
    """At most ``capacity`` items; when full, ``put`` waits or, with ``drop_oldest``, the oldest item goes.

    release: called with every item that is let go instead of taken. ready: asked before an item is chosen to be taken,
    until it says yes; it waits a moment itself, so that what is taken then is the newest. changed: what is told of
    every change, shared by queues that one consumer looks at together (``pipeline.turns``); None: its own.
    """

    def __init__(
        self,
        capacity: int,
        *,
        drop_oldest: bool = False,
        release: Callable[[Item], None] = lambda _: None,
        changed: threading.Condition | None = None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._items: deque[Item] = deque()
        self._release, self._ready = release, ready
        self._capacity = capacity
        self._drop_oldest = drop_oldest
        self._changed = changed or threading.Condition()
        self._finished = self._aborted = self._discarding = False
        self.dropped = 0
        """Items dropped because the queue was full."""

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Queue an item; waits while full. Raises Aborted when the consumer is gone."""
        with self._changed:
            while len(self._items) >= self._capacity and not (self._aborted or self._discarding):
                if self._drop_oldest:
                    self._release(self._items.popleft())
                    self.dropped += 1
                else:
                    self._changed.wait(_WAKE_S)
            if self._aborted or self._discarding:
                self._release(item)
                if self._aborted:
                    raise Aborted
                return
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """Items until the queue is finished and empty. Raises Aborted."""
        while True:
            while not self._ready():
                if self._aborted:
                    raise Aborted
                if self._finished and not self._items:
                    return
            with self._changed:
                while not self._items and not (self._finished or self._aborted):
                    self._changed.wait(_WAKE_S)
                if self._aborted:
                    raise Aborted
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            del item  # a waiting consumer must not keep the last frame's memory

    def poll(self) -> Item | None:
        """An item, if one is there."""
        with self._changed:
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    @property
    def ended(self) -> bool:
        """Whether no item will come any more."""
        with self._changed:
            return not self._items and (self._finished or self._aborted or self._discarding)

    def finish(self) -> None:
        """No more items will come; those queued are still taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def abort(self) -> None:
        """The consumer is gone: queued items are let go and producers are told."""
        with self._changed:
            self._aborted = True
            self._let_go()
            self._changed.notify_all()

    def discard(self) -> None:
        """Nobody looks any more: items, queued and coming, are let go silently."""
        with self._changed:
            self._discarding = True
            self._let_go()
            self._changed.notify_all()

    def _let_go(self) -> None:
        while self._items:
            self._release(self._items.popleft())
