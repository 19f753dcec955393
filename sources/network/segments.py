"""SegmentLoader: the thread that follows an HLS list and fetches its segments, a little ahead of whoever plays them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from urllib.error import HTTPError

from contracts.text import counted
from sources.live.connection import Fault
from sources.network.decryption import KEY_BYTES, decrypted
from sources.network.playlist import MOST_BYTES, Lock, MediaList, Piece, Segment, read_media_list
from sources.network.web import WebClient

log = logging.getLogger(__name__)

_AHEAD = 2
"""Segments fetched before they are played."""
_FROM_EDGE = 2
"""Segments before the end of a live list at which playing begins: the list grows only once per segment."""
_MOST_BEHIND = 4
"""Segments before the end of a live list beyond which it skips to where playing would begin."""
_MOST_SEGMENT_BYTES = 256 << 20
_TRIES = 2
"""For one list or segment: servers in a row behind one name do not always agree."""
_MOST_MISSING = 3
"""Segments in a row that a list names and the server lacks."""
_MOST_KEYS = 16
"""Kept; a list may change its key with every segment."""
_LOOK_S = 0.25
_NOT_THERE = (404, 410)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A segment's bytes, without its header. skipped: seconds of the stream that were left out before it."""

    segment: Segment
    data: bytes
    skipped: Fraction


@dataclass(slots=True)
class Played:
    """Number of the last segment that was taken of a live list, by whichever connection: what comes again is old."""

    number: int = -1


class SegmentLoader(threading.Thread):
    """Starts at ``begin`` seconds of a finite list, or near the end of a live one. url: of the media list."""

    def __init__(
        self, client: WebClient, url: str, listed: MediaList, begin: Fraction, played: Played | None = None
    ) -> None:
        super().__init__(name=f"{client.name} segments", daemon=True)  # a server may hold it for as long as its limit
        self._client, self._url, self._list = client, url, listed
        self._loaded_ns = time.monotonic_ns()
        self._stopping = threading.Event()
        self._out: queue.Queue[Loaded | Fault | None] = queue.Queue(_AHEAD)
        self._headers: dict[Piece, bytes] = {}
        self._keys: dict[str, bytes] = {}
        self._skipped, self._missing = Fraction(0), 0
        numbers = [each.number for each in listed.segments if each.begin <= begin]
        first = listed.segments[0].number if listed.segments else 0
        self._next = max(numbers, default=first) if listed.ended else self._near_edge(listed)
        self._played = played = played or Played()
        last = listed.segments[-1].number if listed.segments else -1
        if 0 <= played.number <= last:  # else it is another list, or has begun anew
            self._next = max(self._next, played.number + (played.number < last or not listed.ended))
        self._is_live = not listed.ended or played.number >= 0

    def run(self) -> None:
        """The thread: whatever ends it is the last thing that ``take`` gives."""
        try:
            self._follow()
        except Fault as fault:
            self._put(fault)
        except (ValueError, KeyError, ArithmeticError) as fault:
            self._put(Fault(f"{self._client.name} gives no HLS list any more: {fault}", "look at the server"))
        else:
            self._put(None)

    def take(self, limit_s: float) -> Loaded | Fault | None:
        """The next segment, what keeps it from coming, or None: there is none left. Raises TimeoutError."""
        try:
            item = self._out.get(timeout=limit_s)
        except queue.Empty:
            raise TimeoutError from None
        if self._is_live and isinstance(item, Loaded):
            self._played.number = item.segment.number
        return item

    def header(self, piece: Piece) -> bytes:
        """What a segment's container begins with. Raises Fault."""
        if piece not in self._headers:
            self._headers = {piece: self._named("a header", piece)}
        return self._headers[piece]

    def stop(self) -> None:
        """Ends the thread soon."""
        self._stopping.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            segment = self._due()
            if segment is not None:
                self._load(segment)
            elif self._list.ended:
                return
            else:
                self._reload()

    def _due(self) -> Segment | None:
        """The next segment to be loaded; None: it is not in the list yet, or that is at its end. Raises Fault."""
        listed = self._list.segments
        if not listed:
            return None
        if self._next > listed[-1].number + 1:
            raise Fault(f"{self._client.name} has begun its list anew", "")
        target = self._next
        if target < listed[0].number or (not self._list.ended and listed[-1].number - target >= _MOST_BEHIND):
            target = max(self._near_edge(self._list), listed[0].number)
        segment = next((each for each in listed if each.number == target), None)
        if segment is not None and target > self._next:
            self._skip((target - self._next) * self._list.target, f"skipped {counted(target - self._next, 'segment')}")
            self._next = target
        return segment

    def _near_edge(self, listed: MediaList) -> int:
        first = listed.segments[0].number if listed.segments else 0
        last = listed.segments[-1].number if listed.segments else 0
        return max(first, last + 1 - _FROM_EDGE)

    def _load(self, segment: Segment) -> None:
        self._next = segment.number + 1
        try:
            data = self._named("a segment", segment.piece, f" (number {segment.number})")
        except Fault as fault:
            self._missing += 1
            if self._list.ended or self._missing >= _MOST_MISSING or fault.again != "once live":
                raise
            self._skip(segment.duration, "a segment is missing")
            return
        self._missing = 0
        self._put(Loaded(segment, data, self._skipped))
        self._skipped = Fraction(0)

    def _skip(self, seconds: Fraction, why: str) -> None:
        self._skipped += seconds
        log.info("%s: %s", self._client.name, why)

    def _reload(self) -> None:
        """Loads the list again when that is due (RFC 8216, 6.3.4). Raises Fault, and ValueError."""
        due_ns = self._loaded_ns + int(self._list.target * 500_000_000)
        self._stopping.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)
        self._loaded_ns = time.monotonic_ns()
        body = self._fetch(Piece(self._url), MOST_BYTES)
        self._list = read_media_list(body.decode(errors="replace"), self._url)

    def _named(self, what: str, piece: Piece, which: str = "", most: int = _MOST_SEGMENT_BYTES) -> bytes:
        """What the list names, which is there, so that one that is not must not read as a stream that is not.

        Raises Fault.
        """
        try:
            return self._fetch(piece, most)
        except Fault as fault:
            cause = fault.__cause__
            if isinstance(cause, HTTPError) and cause.code in _NOT_THERE:
                what = f"{self._client.name} names {what} that its server has not{which}"
                raise Fault(what, "look at the server", again="once live") from fault  # a key's is no segment's
            raise

    def _fetch(self, piece: Piece, most: int) -> bytes:
        for tries in range(1, _TRIES + 1):
            try:
                whole = piece.end is None and not piece.start
                body = self._client.get(piece.url, None if whole else piece.start, piece.end)
                try:
                    data = body.whole(most, self._stopping.is_set)
                finally:
                    body.close()
                return data if piece.lock is None else self._unlocked(data, piece.lock)
            except Fault as fault:
                if tries == _TRIES or fault.again == "never" or self._stopping.wait(_LOOK_S):
                    raise
        raise AssertionError

    def _unlocked(self, data: bytes, lock: Lock) -> bytes:
        """Raises Fault."""
        name = self._client.name
        try:
            return decrypted(data, self._key(lock.url), lock.iv)
        except ImportError as fault:
            message = f"{name} is encrypted, and pycryptodomex is not installed"
            raise Fault(message, "pip install pycryptodomex", again="never") from fault
        except ValueError as fault:
            self._keys.clear()  # it may have changed
            raise Fault(f"{name} is encrypted, and its key does not fit", "look at the server") from fault

    def _key(self, url: str) -> bytes:
        """Fetched once. Raises Fault."""
        key = self._keys.get(url)
        if key is None:
            key = self._named("a key", Piece(url), most=MOST_BYTES)
            if len(key) != KEY_BYTES:
                what = f"{self._client.name} is encrypted, and what should be its key has {counted(len(key), 'byte')}"
                raise Fault(what, "look whether it is for those only who sign in", again="once live")
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[url] = key
        return key

    def _put(self, item: Loaded | Fault | None) -> None:
        while not self._stopping.is_set():
            try:
                return self._out.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
        return None
