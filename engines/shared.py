"""SharedEngine: one engine for several users who take turns, one inference each.

A user who is slow to take results, or has none to ask for, costs the others nothing: everybody has places of their
own for what is on its way or waits to be used, and only as many inferences run at once as the engine is good for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any

from numpy.typing import NDArray

from contracts.card import Card
from contracts.errors import EngineError
from contracts.protocols import Engine, EngineFacts, Tensors, Ticket
from contracts.tensor import TensorSpec
from engines.places import SUBMIT_DEADLINE_S, LateError, Places, closed_error, late_error, places_each

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_END_S = 10.0  # for the thread to notice that it is over


class SharedEngine:
    """Owns ``engine`` (opened for as many users, live or not) and the one thread that starts its inferences."""

    def __init__(self, engine: Engine, users: int, *, live: bool = False) -> None:
        self.engine = engine
        self._each = places_each(engine.depth, users, live=live)
        self._views: deque[EngineView] = deque()  # the next one to have its turn first
        self._running: deque[SharedTicket] = deque()  # oldest first; finished ones go when somebody notices
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"roadstream-turns-{engine.name}", daemon=True)
        self._thread.start()

    def view(self) -> EngineView:
        """The engine as one user sees it."""
        view = EngineView(self, self._each)
        with self._changed:
            self._views.append(view)
        return view

    def close(self) -> None:
        """Ends the thread and frees the engine; may be called twice. Raises EngineError when the thread hangs."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            views = list(self._views)
        for view in views:
            view.close()
        self._thread.join(_END_S)
        self.engine.close()
        if self._thread.is_alive():
            raise EngineError(f"engine {self.engine.name} did not stop in {_END_S:g} s")

    # -- of the views and their tickets -----------------------------------------------------------------------------

    def ask(self, ticket: SharedTicket) -> None:
        """The ticket waits for the turn of its view."""
        with self._changed:
            ticket.view.waiting.append(ticket)
            self._changed.notify_all()

    def done(self, ticket: SharedTicket) -> None:
        """The ticket needs no turn and no room any more: it has its result, or is closed."""
        with self._changed:
            if ticket in ticket.view.waiting:
                ticket.view.waiting.remove(ticket)
            if ticket in self._running:
                self._running.remove(ticket)
            self._changed.notify_all()

    # -- the thread -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not self._waiting():
                    self._changed.wait(_LOOK_S)
                if self._closing:
                    return
                oldest = self._running[0] if len(self._running) >= self.engine.depth else None
                ticket = None if oldest is not None else self._next()
                if ticket is not None:
                    self._running.append(ticket)
            if oldest is not None:
                oldest.look(_LOOK_S)
            elif ticket is not None:
                ticket.start(self.engine)

    def _waiting(self) -> bool:
        return any(view.waiting for view in self._views)

    def _next(self) -> SharedTicket | None:
        """The first ticket of the next view that has one; that view is the last in line then."""
        for _ in range(len(self._views)):
            view = self._views[0]
            self._views.rotate(-1)
            if view.waiting:
                return view.waiting.popleft()
        return None


class EngineView:
    """An Engine; ``close`` ends this user's part only."""

    def __init__(self, shared: SharedEngine, depth: int) -> None:
        self._shared, self.depth = shared, depth
        self.waiting: deque[SharedTicket] = deque()
        """Submitted and not started; guarded by the shared engine."""
        self._places: Places[int] = Places(self.name, range(depth), SUBMIT_DEADLINE_S)

    @property
    def name(self) -> str:
        """The engine's."""
        return self._shared.engine.name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The engine's."""
        return self._shared.engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The engine's."""
        return self._shared.engine.outputs

    @property
    def card(self) -> Card:
        """The engine's."""
        return self._shared.engine.card

    @property
    def facts(self) -> EngineFacts:
        """The engine's."""
        return self._shared.engine.facts

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        """From the engine's pool."""
        return self._shared.engine.buffer(spec)

    def submit(self, tensors: Tensors) -> SharedTicket:
        """Lines up one inference; waits for a place while ``depth`` of this user's are on their way."""
        ticket = SharedTicket(self._shared, self, self._places, self._places.take(), tensors)
        self._places.hold(ticket)
        self._shared.ask(ticket)
        return ticket

    def close(self) -> None:
        """Closes this user's tickets; those who wait get an EngineError. May be called twice."""
        self._places.close()


class SharedTicket:
    """One inference of one user: in line, then on its way."""

    def __init__(
        self, shared: SharedEngine, view: EngineView, places: Places[int], place: int, tensors: Tensors
    ) -> None:
        self.view = view
        self._shared, self._places, self._place = shared, places, place
        self._tensors: Tensors | None = tensors
        self._inner: Ticket | None = None
        self._fault: BaseException | None = None
        self._started = threading.Event()
        self._closed = False
        self._lock = threading.Lock()

    def start(self, engine: Engine) -> None:
        """Its turn has come. From the shared engine's thread; whatever goes wrong is kept for ``result``."""
        with self._lock:
            if not self._closed and self._tensors is not None:
                try:
                    self._inner = engine.submit(self._tensors)
                except BaseException as fault:  # noqa: BLE001 - a thread's outermost frame: handed to who asks
                    self._fault = fault
            self._tensors = None
        self._started.set()
        if self._inner is None:
            self._shared.done(self)

    def look(self, seconds: float) -> None:
        """Wait a little for the end, whoever wants the result; from the shared engine's thread."""
        inner = self._inner
        try:
            if inner is not None:
                inner.result(seconds)
        except LateError:
            return
        except BaseException as fault:  # noqa: BLE001 - a thread's outermost frame: its user hears it from ``result``
            log.debug("%s: %s", self.view.name, fault)
        self._shared.done(self)

    def result(self, timeout_s: float) -> Tensors:
        """Outputs by name, valid until ``close``. Raises EngineError."""
        deadline = time.monotonic() + timeout_s
        while not self._started.wait(min(_LOOK_S, max(0.0, deadline - time.monotonic()))):
            if self._closed:
                raise closed_error(self.view.name)
            if time.monotonic() >= deadline:
                raise late_error(self.view.name, timeout_s)
        if self._fault is not None:
            raise self._fault
        inner = self._inner
        if inner is None or self._closed:
            raise closed_error(self.view.name)
        outputs = inner.result(max(0.0, deadline - time.monotonic()))
        self._shared.done(self)
        return outputs

    def close(self) -> None:
        """Gives place and memory back, stopping the inference if it runs. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            inner, self._inner, self._tensors = self._inner, None, None
        try:
            if inner is not None:
                inner.close()
        finally:
            self._started.set()
            self._shared.done(self)
            self._places.give_back(self._place, self)
