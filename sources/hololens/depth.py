"""Depth beside the pictures: the Long Throw camera, read by a thread of its own, and what it saw nearest in time."""

from __future__ import annotations

import logging
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from contracts.space import Depth
from sources.hololens.channel import Channel
from sources.hololens.messages import (
    CALIBRATE_LONG_THROW,
    LONG_THROW_PORT,
    LONG_THROW_SIZE,
    STREAM_LONG_THROW,
    TICKS_PER_S,
    DepthPacket,
    read_depth,
    read_long_throw_calibration,
)
from sources.hololens.space import DepthCamera
from sources.live.connection import Fault

log = logging.getLogger(__name__)

FARTHEST = Fraction(1, 4)
"""Seconds between a picture and the depth that is said to belong to it.

The camera takes five pictures per second, and a picture has the one before it; both have a pose, so a head that moved
in between does no harm."""
_KEPT = 4
"""Depth pictures; pictures come later than their depth by less than these cover."""
_AGAIN_S = 2.0
"""Between two tries to get depth."""
_JOIN_S = 1.0
_PNG_HEAD = struct.Struct(">8xI4s2IBB")
"""Signature, length and name of the first chunk, width, height, bits, kind of colour (libpng's IHDR)."""


def along_ray(png: bytes) -> NDArray[np.uint16]:
    """uint16 (288, 320), 0 unknown, of a Long Throw picture: the first half of its bytes, as four colours per pixel.

    Raises Fault.
    """
    width, height = LONG_THROW_SIZE
    damaged = Fault("a depth picture is damaged")
    try:  # first, so that nobody's header makes us fetch gigabytes
        if _PNG_HEAD.unpack_from(png)[1:] != (b"IHDR", width, height, 8, 6):
            raise damaged
        decoder = av.VideoCodecContext.create("png", "r")
        decoder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        (picture,) = decoder.decode(av.Packet(png))
    except (struct.error, av.FFmpegError, ValueError) as fault:  # ValueError: nothing came out of it
        raise damaged from fault
    numbers = np.frombuffer(picture.to_ndarray(format="bgra").data, "<u2")
    return numbers[: width * height].reshape(height, width)


class DepthHistory:
    """The latest few depth pictures by their time stamps. For several threads."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Depth]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def add(self, timestamp: int, depth: Depth) -> None:
        """timestamp: 100 ns."""
        with self._lock:
            self._kept.append((timestamp, depth))

    def nearest(self, timestamp: int) -> Depth | None:
        """What was seen nearest to that time, with its ``offset``; None where that is more than ``FARTHEST``."""
        with self._lock:
            found = min(self._kept, key=lambda each: abs(each[0] - timestamp), default=None)
        if found is None:
            return None
        offset = Fraction(found[0] - timestamp, TICKS_PER_S)
        return replace(found[1], offset=offset) if abs(offset) <= FARTHEST else None


class DepthReader(threading.Thread):
    """Reads the depth camera until it is stopped; where that fails, it tries again. The pictures never wait for it.

    failed: called in the thread each time depth could not be had or was lost.
    """

    def __init__(self, host: str, *, open_s: float, read_s: float, failed: Callable[[Fault], None]) -> None:
        super().__init__(name=f"depth of {host}", daemon=True)
        self.history = DepthHistory()
        self._host, self._open_s, self._read_s, self._failed = host, open_s, read_s, failed
        self._stopping = threading.Event()

    def run(self) -> None:
        """The thread."""
        while not self._stopping.is_set():
            try:
                self._read()
            except Fault as fault:
                if not self._stopping.is_set():
                    self._failed(fault)
            self._stopping.wait(_AGAIN_S)

    def close(self) -> None:
        """Ends it."""
        self._stopping.set()
        self.join(_JOIN_S)
        if self.is_alive():
            log.warning("%s does not end, and is left to itself", self.name)

    def _read(self) -> None:
        with self._opened() as channel:
            channel.send(CALIBRATE_LONG_THROW)
            camera = DepthCamera(read_long_throw_calibration(channel.read))
        with self._opened() as channel:
            channel.send(STREAM_LONG_THROW)
            while not self._stopping.is_set():
                self._take(read_depth(channel.read), camera)

    def _opened(self) -> Channel:
        return Channel(
            self._host, LONG_THROW_PORT, open_s=self._open_s, read_s=self._read_s, stopped=self._stopping.is_set
        )

    def _take(self, packet: DepthPacket, camera: DepthCamera) -> None:
        try:
            depth = camera.depth(along_ray(packet.png), packet.pose)
        except Fault:  # one damaged picture; the next is a fifth of a second away
            return
        if depth is not None:
            self.history.add(packet.timestamp, depth)
