"""Places: the few inferences an engine may have on their way, handed out one at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from contracts.errors import EngineError

Item = TypeVar("Item")

SUBMIT_DEADLINE_S = 60.0
"""Seconds a submit waits for a place before it says that nobody closes tickets."""
STOP_DEADLINE_S = 10.0
"""Seconds an inference gets to stop after it was told to."""


class _Holder(Protocol):
    def close(self) -> None: ...


class Places(Generic[Item]):
    """Items that are taken and given back from any thread, and the tickets that hold them meanwhile."""

    def __init__(self, engine: str, items: Iterable[Item], deadline_s: float) -> None:
        self._engine = engine
        self._idle = deque(items)
        self._deadline_s = deadline_s
        self._closed = False
        self._tickets: set[_Holder] = set()
        self._changed = threading.Condition()

    def take(self) -> Item:
        """An idle item; waits for one. Raises EngineError when time is up or ``close`` is called meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle, self._deadline_s)
            if self._closed:
                raise closed_error(self._engine)
            if not self._idle:
                raise EngineError(
                    f"engine {self._engine}: no place became free in {self._deadline_s:g} s",
                    "close each ticket once its result is used",
                )
            return self._idle.popleft()

    def hold(self, ticket: _Holder) -> None:
        """A ticket has the item that was taken for it. Raises EngineError where ``close`` was called meanwhile."""
        with self._changed:
            if self._closed:
                raise closed_error(self._engine)
            self._tickets.add(ticket)

    def give_back(self, item: Item, ticket: _Holder) -> None:
        """A ticket is closed; its item may be taken again, and is dropped after ``close``."""
        with self._changed:
            self._tickets.discard(ticket)
            if not self._closed:
                self._idle.append(item)
                self._changed.notify()

    def close(self) -> bool:
        """Nobody gets a place any more, those who wait included, and every ticket is closed.

        False where that was so before. Raises what closing a ticket raises.
        """
        with self._changed:
            was_open, self._closed = not self._closed, True
            self._idle.clear()
            self._changed.notify_all()
            tickets = list(self._tickets) if was_open else []
        for ticket in tickets:
            ticket.close()
        return was_open


def places_each(depth: int, users: int, *, live: bool = False) -> int:
    """How many tickets each of several users may have of an engine that runs ``depth`` at once.

    Enough that half of them keep it busy, so that it need not wait where the others have nothing to ask; one who asks
    for early answers (live) lines up with no more than that, because what waits in line gets old.
    """
    return depth if users == 1 else max(1 if live else 2, -(-2 * depth // users))


class LateError(EngineError):
    """An inference takes longer than its user wants to wait."""


def closed_error(engine: str) -> EngineError:
    """What those hear who use an engine or a ticket after its end."""
    return EngineError(f"engine {engine} or its ticket is closed", "use results before close()")


def late_error(engine: str, timeout_s: float) -> LateError:
    """What those hear who waited for a result in vain."""
    return LateError(
        f"engine {engine} did not answer in {timeout_s:g} s", "try a smaller network, or look whether the CPU is free"
    )
