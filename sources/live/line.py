"""Line: pictures out of many connections, one after the other, with time limits that hold in every state.

Whoever takes pictures runs the state machine (``contracts.live``); a thread of its own per connection opens and reads
(``reader``), and is left to itself where its library does not let go.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from contracts.backoff import Backoff
from contracts.errors import RoadStreamError
from contracts.live import NEXT, LiveState, LiveStatus, Patience
from contracts.protocols import Losses
from contracts.secrets import redact
from contracts.text import clock, counted
from sources.live.connection import Attempt, Fault, Opener
from sources.live.reader import Arrived, ConnectionFacts, ConnectionReader, TimeUp
from sources.shaping import Shaper

log = logging.getLogger(__name__)

_FIRST_TRIES = 5
"""Failures in a row, after the first one, that a source that has never been live may have."""
_JOIN_S = 1.0
_LOOK_S = 0.2
_STEADY_S = 10.0
"""Seconds with pictures after which the next loss is no longer waited for as if it were one with the last."""
_STALL_S, _STALL_PICTURES = 1.0, 5
"""Without a picture for the longer of these a source is called stalled, at the latest at half the read limit."""
_REMIND_S = 3600.0
"""Between two log lines that say the same of a source that is tried for ever."""
_MOST_HANGING = 3
"""Connections that may hang in a library at once; until one lets go, no other is opened."""


class Line:
    """What a source's pictures come by.

    name: of the source, for people. tries: failures in a row that end a source that has been live where ``patience``
    says "auto", None: none do. start: seconds of a recorded stream to skip.

    ``next`` is for one thread; the rest for any.
    """

    def __init__(
        self, name: str, opener: Opener, patience: Patience, *, tries: int | None, start: Fraction = Fraction(0)
    ) -> None:
        self._name, self._opener, self._patience, self._start = name, opener, patience, start
        self._tries_once_live = tries
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        self._backoff = Backoff()
        self._live = True  # of the last connection that brought a picture
        self._more_s: list[float] = []  # what this try asked for beyond the time to open
        self._told_s: dict[str, float] = {}  # what was said since pictures came last, and when
        self._failed = 0  # tries in a row that brought no new picture
        self._reader: ConnectionReader | None = None
        self._hanging: list[ConnectionReader] = []
        self._past = Losses()  # of connections that are over
        self._count = 0  # pictures of those
        self._shaper: Shaper | None = None  # of the first picture: all others are brought to its size
        self._begun_ns = self._live_ns = time.monotonic_ns()
        self._last_ns = self._begun_ns  # when the last picture arrived
        self.status = LiveStatus(LiveState.CONNECTING, self._begun_ns)
        self.position: Fraction | None = None
        """Seconds on a recorded stream's own clock of the last picture given out; kept by whoever gives it out."""
        self._position_before: Fraction | None = None  # of this connection
        self.connection = -1
        """Which connection the last picture came by, from 0."""
        self.why_lost = ""
        """What ended the connection before."""
        self.lost = False
        """Whether pictures have come and are gone, for this time or for good."""

    @property
    def reader(self) -> ConnectionReader:
        """Of the connection the last picture came by."""
        assert self._reader is not None
        return self._reader

    @property
    def facts(self) -> ConnectionFacts:
        """Of that connection."""
        assert self.reader.facts is not None  # they come before its first picture
        return self.reader.facts

    @property
    def losses(self) -> Losses:
        """Undecodable pictures, those nobody took in time, and how often pictures came again."""
        with self._lock:
            past, reader = self._past, self._reader
        lost, dropped = (reader.lost, reader.dropped) if reader is not None else (0, 0)
        return Losses(past.lost + lost, max(self.connection, 0), past.dropped + dropped)

    def next(self) -> Arrived | None:
        """The next picture; None: the stream is complete, or closed. Raises SourceError when it is given up."""
        while not self._is_over():
            try:
                arrived = self._wait(self._reader or self._connect())
            except Fault as fault:
                self._lose(fault)
            except RoadStreamError:
                self._enter(LiveState.ENDED, "refused")
                raise
            except Exception as fault:  # what a library threw in its thread: the connection is lost
                unknown = Fault(f"{self._name} cannot be read: {redact(str(fault)) or type(fault).__name__}")
                unknown.__cause__ = fault
                log.debug("%s", unknown, exc_info=fault)
                self._lose(unknown)
            else:
                if arrived is None:
                    self._enter(LiveState.ENDED, "complete")
                else:
                    self._last_ns = arrived.arrival
                return arrived
        return None

    def _is_over(self) -> bool:
        """Whether nobody waits any more."""
        return self._stopping.is_set() or (self.connection < 0 and self._patience.stopped())

    def newest(self, arrived: Arrived) -> Arrived:
        """The newest picture that waits, or else ``arrived``; whatever came before it is not counted."""
        with self._lock:
            self._past = Losses()
        return self.reader.begin_with_newest(arrived)

    def close(self) -> None:
        """Ends ``next`` at once and lets go of the stream; as often as you like."""
        self._stopping.set()
        self._enter(LiveState.ENDED, f"closed while it was lost: {self.status.reason}" if self.lost else "closed")
        with self._lock:
            readers = [*self._hanging, *([self._reader] if self._reader is not None else [])]
        for reader in readers:
            reader.stop()
        with self._closing:  # whoever comes second waits for the first
            if not self._closed:
                self._closed = True
                self._let_go(readers)

    def _let_go(self, readers: Sequence[ConnectionReader]) -> None:
        deadline = time.monotonic() + _JOIN_S
        for reader in readers:
            reader.join(max(deadline - time.monotonic(), 0))
        hanging = sum(reader.is_alive() for reader in readers)
        if hanging:
            what = counted(hanging, "connection still waits for it and is", "connections still wait for it and are")
            log.warning("%s: %s left behind", self._name, what)

    def _connect(self) -> ConnectionReader:
        """Starts the next try. Raises Fault while too many earlier ones hang."""
        with self._lock:
            self._hanging = [reader for reader in self._hanging if reader.is_alive()]
        if len(self._hanging) >= _MOST_HANGING:
            raise Fault(f"{counted(len(self._hanging), 'earlier connection')} of {self._name} hang", "restart it")
        more_s: list[float] = []
        self._more_s = more_s
        attempt = Attempt(self._patience, self._start, self.position, self._is_over, more_s.append)
        reader = ConnectionReader(self._name, self._opener, attempt, self._shaper, self._count)
        self._position_before = self.position
        with self._lock:
            self._reader = reader
            self.status = replace(self.status, attempt=self.status.attempt + 1)
            reader.start()  # before anybody sees it: who closes the line joins it
        if self._stopping.is_set():  # closed a moment ago, when there was no reader to be told
            reader.stop()
        return reader

    def _wait(self, reader: ConnectionReader) -> Arrived | None:
        """Waits for as long as the state allows. Raises Fault, and what ended the connection."""
        if self.status.state is LiveState.CONNECTING:
            arrived = self._first_picture(reader)
            if arrived is not None:
                self._came(arrived)
            return arrived
        read_s = self._patience.read_s
        rate = self.facts.rate
        stall_s = min(max(_STALL_S, _STALL_PICTURES / float(rate) if rate else 0), read_s / 2)
        try:
            return reader.take(stall_s)
        except TimeUp:
            self._enter(LiveState.STALLED)
        arrived = self._take(reader, read_s - stall_s, "has sent no more pictures", read_s)
        if arrived is not None:
            self._enter(LiveState.LIVE)
        return arrived

    def _first_picture(self, reader: ConnectionReader) -> Arrived | None:
        """Waits in short turns: somebody else may stop what has not come to be a source yet."""
        begun = time.monotonic()
        while not self._is_over():
            limit_s = self._patience.open_s + sum(self._more_s)
            left = limit_s - (time.monotonic() - begun)
            if left <= _LOOK_S:
                return self._take(reader, max(left, 0), "has sent no picture", limit_s)
            with suppress(TimeUp):
                return reader.take(_LOOK_S)
        return None

    def _take(self, reader: ConnectionReader, limit_s: float, what: str, in_all_s: float) -> Arrived | None:
        try:
            return reader.take(limit_s)
        except TimeUp:
            raise Fault(f"{self._name} {what} for {in_all_s:g} s", "look whether it is on and reachable") from None

    def _came(self, arrived: Arrived) -> None:
        """A connection brought its first picture."""
        now = time.monotonic_ns()
        self.connection += 1
        if self.connection:
            log.warning("%s is back after %s", self._name, clock((arrived.arrival - self._last_ns) / 1e9))
        first_s = (now - self._begun_ns) / 1e9 if self.status.first_frame_s is None else self.status.first_frame_s
        self._enter(LiveState.LIVE, attempt=0, reconnects=self.connection, first_frame_s=first_s)
        self._live_ns, self.lost, self._live = now, False, self.facts.live
        self._told_s.clear()

    def _lose(self, fault: Fault) -> None:
        """The connection is over: waits until the next try is due. Raises the fault where there is none."""
        self._retire()
        if self._stopping.is_set():
            return
        was_live = self.status.state in (LiveState.LIVE, LiveState.STALLED)
        now = time.monotonic_ns()
        brought_some = was_live and (self._live or self.position != self._position_before)
        self._failed = 0 if brought_some else self._failed + 1
        if brought_some and (not self._live or (now - self._live_ns) / 1e9 >= _STEADY_S):
            self._backoff.reset()
        if was_live:
            self.lost = True
        wait_s, tries = self._backoff.next_s(), self._tries()
        hopeless = fault.again == "never" or (fault.again == "once live" and self.connection < 0)
        if hopeless or (tries is not None and self._failed >= (tries + 1 if self.connection < 0 else tries)):
            self._enter(LiveState.ENDED, fault.message)
            raise fault
        self._say(fault, wait_s, tries)
        self.why_lost = self.why_lost if not was_live else fault.message
        self._enter(LiveState.LOST, fault.message, next_try_ns=now + int(wait_s * 1e9))
        due = time.monotonic() + wait_s
        while not self._is_over() and (left := due - time.monotonic()) > 0:
            self._stopping.wait(min(left, _LOOK_S))
        self._enter(LiveState.CONNECTING, fault.message)

    def _tries(self) -> int | None:
        """How many failures in a row are borne."""
        if self._patience.reconnect != "auto":
            return self._patience.reconnect
        return _FIRST_TRIES if self.connection < 0 else self._tries_once_live

    def _say(self, fault: Fault, wait_s: float, tries: int | None) -> None:
        """Every failure while their number is limited; else each kind once in an outage, and after every hour of it."""
        now = time.monotonic()
        self._told_s = {message: told for message, told in self._told_s.items() if now - told < _REMIND_S}
        is_news = fault.message not in self._told_s
        self._told_s.setdefault(fault.message, now)
        level = logging.WARNING if tries is not None or is_news else logging.DEBUG
        number = self._failed if self.connection < 0 else self._failed + 1
        count = f", {number} of {tries}" if tries is not None else ""
        log.log(level, "%s: trying again in %.1f s%s", fault.message, wait_s, count)

    def _retire(self) -> None:
        """Lets the connection go, whatever its thread is doing."""
        with self._lock:
            reader, self._reader = self._reader, None
            if reader is None:
                return
            past, tally = self._past, reader.retire()
            self._past = Losses(past.lost + tally.lost, past.reconnects, past.dropped + tally.dropped)
            self._count = tally.count
            self._hanging.append(reader)
        self._shaper = reader.shaper or self._shaper

    def _enter(self, state: LiveState, reason: str = "", **changes: Any) -> None:
        """Goes to a state; from the last one nothing leads away."""
        with self._lock:
            if self.status.state is LiveState.ENDED:
                return
            assert state in NEXT[self.status.state], (self.status.state, state)
            fresh = {"next_try_ns": None, **changes}
            self.status = replace(self.status, state=state, since_ns=time.monotonic_ns(), reason=reason, **fresh)
