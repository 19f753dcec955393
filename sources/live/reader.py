"""ConnectionReader: the thread that opens one connection and reads it, so that nobody else ever waits for a library."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from contracts.errors import RoadStreamError
from contracts.picture import Picture
from contracts.secrets import without_secrets
from contracts.space import Depth, Intrinsics, Pose
from contracts.span import Span
from sources.live.connection import Attempt, Connection, Opener, Received
from sources.shaping import Shaper

log = logging.getLogger(__name__)

_WAITING = 4
"""Pictures that wait for whoever asks for them; of a live stream the oldest goes when there is one more."""
_WAKE_S = 0.5


class TimeUp(Exception):  # noqa: N818  # an answer, not an error
    """No picture came in time."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """One picture, upright and of the source's size. number: its place among those of all connections.

    stamp, duration: ticks of the connection's clock. arrival: monotonic ns. Intrinsics are those of ``picture``.
    """

    picture: Picture
    stamp: int | None
    duration: int | None
    arrival: int
    number: int
    intrinsics: Intrinsics | None
    pose: Pose | None
    depth: Depth | None
    decoding: Span


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What a connection says of itself once it is open."""

    time_base: Fraction
    rate: Fraction | None
    live: bool
    frames: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Pictures of a connection that is over. lost: undecodable; dropped: not taken in time; count: the next number."""

    lost: int
    dropped: int
    count: int


class ConnectionReader(threading.Thread):
    """Opens and reads; ends by itself when the connection does, or soon after ``stop``.

    shaper: what pictures are brought to one size with; None: made for the first picture. first: its number.

    Every number is that of a picture which was taken, is in ``dropped`` or ``lost``, or waits.
    """

    def __init__(
        self, name: str, opener: Opener, attempt: Attempt, shaper: Shaper | None = None, first: int = 0
    ) -> None:
        super().__init__(name=name, daemon=True)  # a library may never let go of it
        self._opener = opener
        self._attempt = replace(attempt, stopped=lambda: self._stopping or attempt.stopped())
        self._arrived: deque[Arrived] = deque()
        self._changed = threading.Condition()
        self._stopping = self._over = False
        self._fault: Exception | None = None
        self._connection: Connection | None = None
        self._count = first
        self._undecodable = 0  # of which the connection has told
        self.shaper = shaper
        self.facts: ConnectionFacts | None = None
        """Set before the first picture can be taken."""
        self.dropped = 0
        """Pictures of a live stream that nobody took in time."""
        self.lost = 0
        """Pictures that could not be decoded."""
        self._scaling_said = False

    def run(self) -> None:
        """The thread: whatever goes wrong is kept for ``take``."""
        try:
            self._read()
        except RoadStreamError as fault:
            if fault.__cause__ is not None:
                fault.__cause__ = without_secrets(fault.__cause__) if isinstance(fault.__cause__, Exception) else None
            fault.__context__ = fault.__cause__
            self._fault = fault
        except Exception as fault:  # noqa: BLE001  # a thread's outermost frame: handed to who waits for pictures
            self._fault = without_secrets(fault)
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def stop(self) -> None:
        """Ends the thread at its next picture, and whoever waits in ``take`` at once; from any thread."""
        with self._changed:
            self._stopping = True
            self._arrived.clear()
            self._changed.notify_all()

    def take(self, limit_s: float) -> Arrived | None:
        """The oldest picture that waits, or the next; None: it was stopped, or the stream is complete.

        Raises TimeUp, and what ended the connection once every picture before that has been taken.
        """
        deadline = time.monotonic() + limit_s
        with self._changed:
            while not self._arrived:
                if self._stopping:
                    return None
                if self._over:
                    if self._fault is not None:
                        raise self._fault
                    return None
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeUp
                self._changed.wait(left)
            arrived = self._arrived.popleft()
            self._changed.notify_all()
            return arrived

    def retire(self) -> Tally:
        """As ``stop``; what waits is dropped."""
        with self._changed:
            tally = Tally(self.lost, self.dropped + len(self._arrived), self._count)
            self.stop()
            return tally

    def begin_with_newest(self, taken: Arrived) -> Arrived:
        """The newest picture that waits, else ``taken``; what came before it is let go, and counting begins with it."""
        with self._changed:
            newest = self._arrived.pop() if self._arrived else taken
            self._arrived.clear()
            self.dropped, self.lost = 0, self._count - newest.number - 1
            return newest

    def _read(self) -> None:
        connection = self._opener(self._attempt)
        try:
            self.facts = ConnectionFacts(connection.time_base, connection.rate, connection.live, connection.frames)
            while not self._stopping and self._step(connection):
                pass
        finally:
            connection.close()

    def _step(self, connection: Connection) -> bool:
        """Takes what comes next; False at the end. Frames die in here: the connection may own their memory."""
        busy = time.thread_time_ns()
        received = connection.receive()
        busy = time.thread_time_ns() - busy  # not the time it took: most of that was waiting for the stream
        with self._changed:
            more, self._undecodable = connection.lost - self._undecodable, connection.lost
            self._count += more  # what could not be decoded leaves a gap
            self.lost += more
        if received is None:
            return False
        for one in received:
            self._put(self._arrive(one, connection, busy // len(received)), connection)
        return True

    def _arrive(self, received: Received, connection: Connection, busy: int) -> Arrived:
        """busy: ns of this thread's time that receiving it took."""
        frame, busy = received.frame, busy - time.thread_time_ns()
        if self.shaper is None:
            self.shaper = Shaper(frame)
        if not self.shaper.fits(frame) and not self._scaling_said:
            self._scaling_said = True
            size = (self.shaper.width, self.shaper.height)
            log.warning("%s now sends pictures of %d×%d: scaled to %d×%d", self.name, frame.width, frame.height, *size)
        picture = self.shaper.picture(frame)
        if connection.borrowed and picture.owner is frame:
            picture = _copied(picture)
        busy, now = busy + time.thread_time_ns(), time.monotonic_ns()
        intrinsics = received.intrinsics and self.shaper.intrinsics(received.intrinsics, frame)
        return Arrived(
            picture,
            frame.pts,
            frame.duration,
            received.arrival,
            self._count,
            intrinsics,
            received.pose,
            received.depth,
            Span("decode", now - busy, now, busy),
        )

    def _put(self, arrived: Arrived, connection: Connection) -> None:
        with self._changed:
            while not connection.live and len(self._arrived) >= _WAITING and not self._stopping:
                self._changed.wait(_WAKE_S)
            if self._stopping:
                return
            if len(self._arrived) >= _WAITING:
                self._arrived.popleft()
                self.dropped += 1
            self._arrived.append(arrived)
            self._count += 1
            self._changed.notify_all()


def _copied(picture: Picture) -> Picture:
    """The same picture in memory of its own."""
    planes = tuple(np.array(plane) for plane in picture.planes)
    for plane in planes:
        plane.flags.writeable = False
    return Picture(picture.format, planes, picture.matrix, picture.full_range, picture.tagged)
