"""What a run and the process of its connection tell each other: lines and packets over pipes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Literal

import av

from outputs.encoder import TICKS

_PACKET = struct.Struct("<Iqqq?")  # bytes, pts, dts, duration (ticks), keyframe


@dataclass(frozen=True, slots=True)
class Order:
    """The first thing the process hears. url: with its secrets, so by a pipe and not in a command line.

    checked: whether the server's certificate is looked at.
    """

    url: str
    checked: bool
    format: Literal["rtsp", "flv"]
    codec: str
    width: int
    height: int
    rate: tuple[int, int]

    def line(self) -> bytes:
        """As a line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Order:
        """From a line."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Word:
    """What the process says. live: the server has taken the first packet. failed: why it takes none (any more).

    status: HTTP's and RTSP's number, where the server answered with one. cure: where the process knows what to do; then
    trying again is of no use to who never got through.
    """

    kind: Literal["live", "failed"]
    text: str = ""
    status: int = 0
    cure: str = ""

    def line(self) -> bytes:
        """As a line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Word:
        """From a line."""
        return cls(**json.loads(line))


def packed(packet: av.Packet[Any]) -> bytes:
    """A packet for the pipe."""
    pts, dts = packet.pts or 0, packet.dts or 0
    return _PACKET.pack(packet.size, pts, dts, packet.duration or 0, packet.is_keyframe) + bytes(packet)


def packets(pipe: BinaryIO) -> Iterator[av.Packet[Any]]:
    """The packets that come, until no more do."""
    while len(head := pipe.read(_PACKET.size)) == _PACKET.size:
        size, pts, dts, duration, key = _PACKET.unpack(head)
        data = pipe.read(size)
        if len(data) < size:  # the run died in the middle of it
            return
        packet = av.Packet(data)
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, key
        packet.time_base = Fraction(1, TICKS)
        yield packet
