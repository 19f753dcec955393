"""LiveSource: frames out of a line of connections, on one clock and one count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from contracts.errors import SourceError
from contracts.frame import Frame, SourceInfo
from contracts.live import LiveState, LiveStatus, Outage, Patience
from contracts.protocols import Losses
from sources.live.clock import LiveClock
from sources.live.connection import Opener
from sources.live.line import Line
from sources.live.reader import Arrived
from sources.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a source is: id (safe in file names), uri (printable), name (for people, to begin a sentence with)."""

    id: str
    uri: str
    name: str


class LiveSource:
    """Gives the pictures of a stream as they come, over as many connections as it takes.

    ``Frame.pts`` always rises; what was lost or not taken in time is a gap in ``Frame.index`` and ``pts``, never a
    made-up frame: frames given out, lost and dropped are one more than the last frame's index. A recorded stream (an
    HTTP file) gives every picture and goes on where it was cut. start: seconds of a recorded stream to skip. tries:
    failures in a row that end a source that has been live where ``patience`` says "auto"; None: none do.

    Raises SourceError, from the constructor and from ``frames()``, when it is given up.
    """

    def __init__(
        self,
        identity: Identity,
        opener: Opener,
        patience: Patience,
        *,
        tries: int | None = None,
        start: Fraction = Fraction(0),
    ) -> None:
        self._line = Line(identity.name, opener, patience, tries=tries, start=start)
        try:
            first = self._line.next()
            if first is None:
                raise SourceError(f"{identity.name} holds no pictures", "name another source")
        except BaseException:
            self._line.close()
            raise
        self._waiting: Arrived | None = first
        self._connection = 0
        self._zero = 0  # what makes a picture's number an index
        self._last: tuple[int, int] | None = None  # index and arrival of the last frame
        self._lost_in_outages, self._outages_s = 0, 0.0
        self._info = self._describe(identity, first)
        self._begin_clock()

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""
        return self._info

    @property
    def status(self) -> LiveStatus:
        """Where it is; from any thread."""
        status, last_ns = self._line.status, self._last[1] if self._last is not None else None
        outages_s = self._outages_s
        if self._line.lost and last_ns is not None:
            until = status.since_ns if status.state is LiveState.ENDED else time.monotonic_ns()
            outages_s += max(until - last_ns, 0) / 1e9
        return replace(status, last_ns=last_ns, outages_s=outages_s, why_lost=self._line.why_lost)

    @property
    def losses(self) -> Losses:
        """What was lost, dropped and connected again so far; from any thread."""
        found = self._line.losses
        return replace(found, lost=found.lost + self._lost_in_outages)

    def frames(self) -> Iterator[Frame]:
        """The pictures, until the stream is complete or ``close()``. Raises SourceError when it is given up."""
        arrived, self._waiting = self._waiting, None
        if arrived is not None and self._info.live:
            arrived = self._line.newest(arrived)  # what came while networks were loaded is old, and nobody dropped it
            self._zero = -arrived.number
            self._info = replace(self._info, start=self._start(arrived))  # its clock begins with it
        while arrived is not None and self._line.status.state != "ended":
            frame = self._frame(arrived)
            if frame is not None:
                yield frame
            del frame
            arrived = self._line.next()

    def close(self) -> None:
        """Ends ``frames()`` at once and lets go of the stream; from any thread, as often as you like."""
        self._line.close()

    @property
    def _next_index(self) -> int:
        return self._last[0] + 1 if self._last is not None else 0

    def _describe(self, identity: Identity, first: Arrived) -> SourceInfo:
        facts, shaper = self._line.facts, self._line.reader.shaper
        assert shaper is not None  # made for that picture
        return SourceInfo(
            id=identity.id,
            uri=identity.uri,
            width=shaper.width,
            height=shaper.height,
            rate=facts.rate,
            time_base=facts.time_base,
            start=self._start(first),
            live=facts.live,
            rotation=shaper.orientation.rotation,
            mirrored=shaper.orientation.mirrored,
            frames=facts.frames,
        )

    def _start(self, first: Arrived) -> Fraction:
        return (first.stamp or 0) * self._line.facts.time_base

    def _begin_clock(self) -> None:
        facts = self._line.facts
        self._clock = LiveClock(facts.time_base)
        self._timeline = Timeline(facts.time_base, facts.rate)

    def _frame(self, arrived: Arrived) -> Frame | None:
        """The picture's frame; None for one that a recorded stream gave before it was cut."""
        if not self._info.live:
            return self._recorded(arrived)
        outage = self._outage(arrived) if self._line.connection != self._connection else None
        pts = self._clock.place(arrived.stamp, arrived.arrival)
        return self._made(arrived, arrived.number + self._zero, pts, outage)

    def _outage(self, arrived: Arrived) -> Outage:
        """What came before the first picture of another connection, whose clock and count begin here."""
        assert self._last is not None  # it had been connected before
        facts = self._line.facts
        self._connection = self._line.connection
        self._clock.connected(facts.time_base)
        seconds = Fraction(arrived.arrival - self._last[1], 10**9)
        rate = facts.rate or self._info.rate
        missing = arrived.number + self._zero - self._next_index  # undecodable or dropped, and counted
        lost = max(round(seconds * rate) - 1 - missing, 0) if rate else 0
        self._lost_in_outages += lost
        self._outages_s += float(seconds)
        self._zero += lost
        return Outage(seconds, lost, self._line.why_lost)

    def _recorded(self, arrived: Arrived) -> Frame | None:
        facts, line = self._line.facts, self._line
        again = line.connection != self._connection
        seconds = None if arrived.stamp is None else arrived.stamp * facts.time_base
        if again and seconds is not None and line.position is not None and seconds <= line.position:
            return None
        if again:
            self._connection = line.connection
            self._zero = self._next_index - arrived.number
        line.position = seconds
        return self._made(
            arrived, arrived.number + self._zero, self._timeline.place(arrived.stamp, arrived.duration), None
        )

    def _made(self, arrived: Arrived, index: int, pts: Fraction, outage: Outage | None) -> Frame:
        self._last = (index, arrived.arrival)
        return Frame(
            picture=arrived.picture,
            index=index,
            pts=pts,
            arrival=arrived.arrival,
            source=self._info,
            connection=self._connection,
            outage=outage,
            intrinsics=arrived.intrinsics,
            pose=arrived.pose,
            depth=arrived.depth,
            decoding=arrived.decoding,
        )
