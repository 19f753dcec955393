"""HlsConnection: an HLS stream as a connection; every picture of a finite list, the live end of one that grows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av

from contracts.frame import USUAL_RATE
from sources.live.connection import Attempt, Fault, Received
from sources.live.container import ContainerConnection
from sources.network.faults import check_start, refuse_start, silent
from sources.network.playlist import MOST_BYTES, MediaList, Piece, best_variant, read_media_list
from sources.network.segments import Loaded, Played, SegmentLoader
from sources.network.web import Body, WebClient

_TIME_BASE = Fraction(1, 90_000)
_LATEST_S = 1.0
"""Seconds by which a picture may be late before all later ones are due that much later, too; a smaller delay is
caught up with at once."""
_NAP_S = 0.1
_GRACE_S = 1.0
"""Seconds we wait for data longer than our reader waits for pictures: then its thread ends by itself."""
_BACK_S = 1
"""Seconds before the wanted position at which a finite list is begun: its durations are rounded."""
_PROTECTED = "only METHOD=AES-128 with a key of its own is, not what takes a player's rights; name another stream"


@dataclass(slots=True)
class PartClocks:
    """What makes time stamps seconds since the beginning of the list: per part between two discontinuities.

    Kept over the connections to a finite list, so that the same picture has the same time in each.
    """

    offsets: dict[int, Fraction] = field(default_factory=dict)


def open_hls(client: WebClient, body: Body, attempt: Attempt, clocks: PartClocks, played: Played) -> HlsConnection:
    """Takes over the body of a master or media list. Raises Fault."""
    try:
        url, listed = _media_list(client, body)
    except (ValueError, KeyError, ArithmeticError) as fault:
        message = f"{client.name} is no HLS list that can be read: {fault}"
        raise Fault(message, "look at the server", again="once live") from fault
    if listed.protected:
        raise Fault(f"{client.name} is encrypted in a way that is not read", _PROTECTED, again="never")
    if listed.ended and not listed.segments:
        raise Fault(f"{client.name} is an empty list", "name another stream", again="once live")
    if not listed.ended:
        refuse_start(client.name, attempt.start)
    else:
        check_start(client.name, attempt.start, sum((each.duration for each in listed.segments), Fraction(0)))
    wanted = attempt.position if attempt.position is not None else attempt.start
    loader = SegmentLoader(client, url, listed, wanted - _BACK_S, played)
    loader.start()
    try:
        return HlsConnection(loader, listed, client.name, attempt, clocks if listed.ended else PartClocks())
    except BaseException:
        loader.stop()
        raise


def _media_list(client: WebClient, body: Body) -> tuple[str, MediaList]:
    """The media list, and its address. Raises Fault, and ValueError."""
    text = body.whole(MOST_BYTES).decode(errors="replace")
    body.close()
    variant = best_variant(text, body.url)
    if variant is None:
        return body.url, read_media_list(text, body.url)
    body = client.get(variant.url)
    try:
        return body.url, read_media_list(body.whole(MOST_BYTES).decode(errors="replace"), body.url)
    finally:
        body.close()


class HlsConnection:
    """Plays what a loader fetches. time_base, rate, live, frames, borrowed: see ``Connection``."""

    def __init__(
        self, loader: SegmentLoader, listed: MediaList, name: str, attempt: Attempt, clocks: PartClocks
    ) -> None:
        self._loader, self._name, self._clocks = loader, name, clocks
        self._stopped = attempt.stopped
        self._feed = _Feed(loader, name, attempt)
        self._start = attempt.start if attempt.position is None else Fraction(0)
        self._lost, self._skipped = 0, Fraction(0)
        self._last: Fraction | None = None  # seconds of the last picture
        self._due: Fraction | None = None  # what makes a picture's seconds the monotonic seconds it is due at
        self.live = not listed.ended
        self.time_base, self.borrowed = _TIME_BASE, False
        self._open_part()
        self.rate = self._part.rate
        length = sum((each.duration for each in listed.segments), Fraction(0))
        self.frames = round(length * self.rate) if listed.ended and self.rate else None

    @property
    def lost(self) -> int:
        """Pictures that could not be decoded, or were skipped to keep up with the live end."""
        return self._lost + self._part.lost

    def receive(self) -> Sequence[Received] | None:
        """The next pictures, of a live stream when they are due; None: the list is at its end. Raises Fault."""
        received = self._part.receive()
        if received is None:
            if self._feed.over:
                return None
            self._lost += self._part.lost
            self._part.close()
            self._open_part()
            return ()
        placed = [each for each in received if self._place(each)]
        return [self._paced(each) for each in placed] if self.live else placed

    def close(self) -> None:
        """Ends the loader and closes the container."""
        self._loader.stop()
        self._part.close()
        self._loader.join(_GRACE_S)

    def _open_part(self) -> None:
        """Opens what comes next as a container of its own. Raises Fault."""
        first = self._feed.begin()
        try:
            container = av.open(self._feed, "r", options={"protocol_whitelist": "data"})
        except (av.FFmpegError, ValueError) as fault:
            raise self._feed.fault or self._broken(fault) from fault
        self._part = ContainerConnection(
            container, self._name, live=self.live, complete=self._feed.ended_in_order, broken=self._broken
        )
        self._begin, self._number = first.segment.begin, first.segment.part

    def _broken(self, _: Exception) -> Fault:
        return self._feed.fault or Fault(f"{self._name} sends segments that are no video", "look at the server")

    def _place(self, received: Received) -> bool:
        """Moves the picture's stamp onto the list's time; False for one before the start."""
        frame = received.frame
        if frame.pts is None:
            return True
        seconds = frame.pts * self._part.time_base
        begin = self._begin if self._last is None or not self.live else self._last + 1 / (self.rate or USUAL_RATE)
        seconds += self._clocks.offsets.setdefault(self._number, begin - seconds)
        frame.pts, frame.time_base = round(seconds / _TIME_BASE), _TIME_BASE
        self._count_skipped(seconds)
        self._last = seconds
        return frame.pts * _TIME_BASE >= self._start

    def _count_skipped(self, seconds: Fraction) -> None:
        """Segments that were left out are noticed when they are loaded, and count where the pictures jump."""
        skipped = self._feed.skipped - self._skipped
        if skipped and self._last is not None and seconds - self._last > skipped / 2:
            self._lost += round(skipped * (self.rate or 0))
            self._skipped, self._due = self._feed.skipped, None  # the next is due at once

    def _paced(self, received: Received) -> Received:
        """Waits until the picture is due, as players do: segments come at once."""
        if received.frame.pts is None:
            return received
        seconds, now = received.frame.pts * _TIME_BASE, Fraction(time.monotonic_ns(), 10**9)
        if self._due is None or abs(seconds + self._due - now) > self._farthest(now, seconds):
            self._due = now - seconds
        while not self._stopped() and (left := float(seconds + self._due) - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_S))
        return replace(received, arrival=time.monotonic_ns())

    def _farthest(self, now: Fraction, seconds: Fraction) -> float:
        """Seconds a picture may be off: late a little; early as much as is loaded ahead, before it is another clock."""
        assert self._due is not None
        return _LATEST_S if seconds + self._due < now else 60.0


class _Feed:
    """The loaded segments of one part after the other, as the file PyAV reads from."""

    def __init__(self, loader: SegmentLoader, name: str, attempt: Attempt) -> None:
        self._loader, self._name, self._stopped = loader, name, attempt.stopped
        self._limit_s = max(attempt.patience.open_s, attempt.patience.read_s) + _GRACE_S
        self._data, self._at = b"", 0
        self._pending: Loaded | None = None
        self._kind: tuple[int, Piece | None] | None = None
        self.over = False
        """Whether the list is at its end, and all of it has been read."""
        self.fault: Fault | None = None
        self.skipped = Fraction(0)
        """Seconds of the stream that were left out so far."""

    def begin(self) -> Loaded:
        """Begins the next part; its first segment. Raises Fault."""
        loaded = self._pending or self._take()
        if loaded is None:
            raise Fault(f"{self._name} is an empty list", "name another stream", again="once live")
        header = loaded.segment.header
        self._kind, self._pending = (loaded.segment.part, header), None
        self._set(loaded, self._loader.header(header) if header is not None else b"")
        return loaded

    def read(self, most: int) -> bytes:
        """The next bytes; none: the part is at its end. Raises Fault, once."""
        if self.fault is not None:
            return b""
        if self._at >= len(self._data):
            loaded = self._pending or self._take()
            if loaded is None:
                return b""
            if (loaded.segment.part, loaded.segment.header) != self._kind:
                self._pending = loaded
                return b""
            self._set(loaded, b"")
        found = self._data[self._at : self._at + most]
        self._at += len(found)
        return found

    def ended_in_order(self) -> bool:
        """Whether the end that the container saw is one."""
        return self.fault is None

    def _set(self, loaded: Loaded, header: bytes) -> None:
        self._data, self._at = header + loaded.data, 0
        self.skipped += loaded.skipped

    def _take(self) -> Loaded | None:
        """The next segment; None: the list is at its end. Raises Fault."""
        if self.over:
            return None
        deadline, item = time.monotonic() + self._limit_s, None
        while True:
            try:
                item = self._loader.take(_NAP_S)
                break
            except TimeoutError:
                if self._stopped() or time.monotonic() > deadline:
                    item = silent(self._name, self._limit_s)
                    break
        if isinstance(item, Fault):
            self.fault = item
            raise item
        self.over = item is None
        return item
