"""HLS playlists (RFC 8216): the variants of a master list, or the segments of a media list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import urljoin

MARK = b"#EXTM3U"
MOST_BYTES = 16 << 20
_MOST_HEIGHT = 1080
"""Rows of pixels above which a variant is taken only where there is no smaller one."""
_LEAST_TARGET = Fraction(1, 10)
"""Seconds; some round the target duration of short segments down to nothing."""
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?")
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')


@dataclass(frozen=True, slots=True)
class Lock:
    """What a piece is encrypted with: AES-128-CBC (RFC 8216, 5.2). url: of the key. iv: 16 bytes."""

    url: str
    iv: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, or a part of it: bytes from ``start`` to before ``end`` (None: to its end)."""

    url: str
    start: int = 0
    end: int | None = None
    lock: Lock | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """number: its media sequence number. begin, duration: seconds, from the first segment of this list.

    part: how many discontinuities came before it in the stream. header: what its container begins with, where that is
    a file of its own.
    """

    number: int
    piece: Piece
    begin: Fraction
    duration: Fraction
    part: int
    header: Piece | None


@dataclass(frozen=True, slots=True)
class MediaList:
    """target: longest duration of a segment, seconds. ended: whether no segment will follow.

    protected: whether a segment is encrypted in a way that is not read (SAMPLE-AES, keys of players with DRM).
    """

    segments: tuple[Segment, ...]
    target: Fraction
    ended: bool
    protected: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the streams a master list offers. height: of its pictures, 0 where it does not say."""

    url: str
    bandwidth: int
    height: int


def best_variant(text: str, base: str) -> Variant | None:
    """The best of a master list up to 1080 rows; None: it is no master list. base: the list's own address."""
    variants, lines = [], text.splitlines()
    for place, line in enumerate(lines):
        if line.startswith("#EXT-X-STREAM-INF:"):
            attributes = _attributes(line)
            uri = next((each.strip() for each in lines[place + 1 :] if each.strip() and not each.startswith("#")), "")
            height = attributes.get("RESOLUTION", "").lower().partition("x")[2]
            variants.append(
                Variant(
                    urljoin(base, uri), _whole(attributes.get("BANDWIDTH")), int(height) if height.isdecimal() else 0
                )
            )
    pictures = [each for each in variants if each.height] or variants  # those without a size may be sound alone
    small = [each for each in pictures if each.height <= _MOST_HEIGHT]
    if small:
        return max(small, key=lambda each: (each.height, each.bandwidth))
    return min(pictures, key=lambda each: (each.height, -each.bandwidth), default=None)


def read_media_list(text: str, base: str) -> MediaList:
    """Raises ValueError where it is none. base: the list's own address."""
    reader = _Reader(base)
    for line in text.splitlines():
        reader.take(line.strip())
    if reader.target is None:
        raise ValueError("no target duration")
    longest = max((each.duration for each in reader.segments), default=Fraction(0))
    return MediaList(tuple(reader.segments), max(reader.target, longest, _LEAST_TARGET), reader.ended, reader.protected)


class _Reader:
    """Goes through a media list line by line; what a tag says holds for the segments behind it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.segments: list[Segment] = []
        self.target: Fraction | None = None
        self.ended = self.protected = False
        self._key: tuple[str, bytes | None] | None = None  # its address and the IV, where that is given
        self._has_other_key = False
        self._first = self._part = 0
        self._begin = self._duration = Fraction(0)
        self._range: tuple[int, int] | None = None
        self._range_end = 0
        self._header: Piece | None = None

    def take(self, line: str) -> None:
        """One line."""
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-TARGETDURATION":
                self.target = _seconds(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                self._first = int(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                self._part += int(value)
            case "#EXT-X-DISCONTINUITY":
                self._part += 1
            case "#EXT-X-ENDLIST":
                self.ended = True
            case "#EXT-X-KEY":
                self._take_key(_attributes(line))
            case "#EXT-X-MAP":
                self._header = self._map(_attributes(line))
            case "#EXT-X-BYTERANGE":
                self._range = self._bytes(value)
            case "#EXTINF":
                self._duration = _seconds(value.partition(",")[0])
            case _ if line and not line.startswith("#"):
                self._segment(urljoin(self._base, line))

    def _segment(self, url: str) -> None:
        number = self._first + len(self.segments)
        piece = self._piece(url, self._range, number)
        self.protected |= self._has_other_key and self._key is None
        self.segments.append(Segment(number, piece, self._begin, self._duration, self._part, self._header))
        self._begin, self._range = self._begin + self._duration, None

    def _bytes(self, value: str) -> tuple[int, int]:
        """``LENGTH[@START]``; without START it begins where the last one ended."""
        length, _, start = value.partition("@")
        begin = int(start) if start else self._range_end
        self._range_end = begin + int(length)
        return begin, self._range_end

    def _map(self, attributes: dict[str, str]) -> Piece:
        url, span = urljoin(self._base, attributes["URI"]), attributes.get("BYTERANGE")
        return self._piece(url, self._bytes(span) if span else None, self._first + len(self.segments))

    def _piece(self, url: str, span: tuple[int, int] | None, number: int) -> Piece:
        """number: of the segment, which is the IV where none is given."""
        start, end = span or (0, None)
        lock = Lock(self._key[0], self._key[1] or number.to_bytes(16, "big")) if self._key is not None else None
        return Piece(url, start, end, lock)

    def _take_key(self, attributes: dict[str, str]) -> None:
        """It holds until the next of its format; those of other formats stand beside it, for other players."""
        method, is_plain = attributes.get("METHOD", "NONE"), attributes.get("KEYFORMAT", "identity") == "identity"
        if method == "NONE":
            self._key, self._has_other_key = None, False
        elif method == "AES-128" and is_plain:
            iv = attributes.get("IV")
            self._key = urljoin(self._base, attributes["URI"]), _sixteen_bytes(iv) if iv is not None else None
        else:
            self._has_other_key = True
            self._key = None if is_plain else self._key


def _attributes(line: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def _seconds(text: str) -> Fraction:
    """Raises ValueError. Plain digits only: 1e999999999 would keep us busy for ever."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is no number of seconds")
    return Fraction(text.strip())


def _sixteen_bytes(text: str) -> bytes:
    if not re.fullmatch("0[xX][0-9A-Fa-f]{1,32}", text):
        raise ValueError(f"{text[:40]!r} is no initialization vector")
    return int(text, 16).to_bytes(16, "big")


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
