"""ContainerConnection: a stream that FFmpeg reads and decodes, as a connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sources.live.connection import Fault, Received

_LOOK_S = 0.004
"""Between two looks at a device that does not wait for its next picture itself."""
_HIGHEST_RATE = 1000
"""Pictures per second above which a stated rate is a time base in disguise."""


class ContainerConnection:
    """Takes over an open container, and closes it.

    name: for people. complete: asked when the container has nothing more: whether that is the stream's end; else it is
    lost. broken: what to say of an error while reading. Raises Fault when there is no video in it.
    """

    def __init__(
        self,
        container: InputContainer,
        name: str,
        *,
        live: bool,
        complete: Callable[[], bool] = lambda: False,
        broken: Callable[[Exception], Fault],
    ) -> None:
        self._container, self._name, self._complete, self._broken = container, name, complete, broken
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            container.close()
            what = "sends sound but no video" if container.streams.audio else "gives no video"
            raise Fault(f"{name} {what}", "name another source", again="once live")
        self._stream = stream
        self._packets: Iterator[Packet[VideoStream]] = container.demux(stream)
        self._pause = threading.Event()  # never set: a sleep
        self.live = live
        self.time_base = stream.time_base or Fraction(1, av.time_base)
        rates = (stream.average_rate, stream.guessed_rate)
        self.rate = next((rate for rate in rates if rate and rate <= _HIGHEST_RATE), None)
        self.frames = (
            None
            if live or not self.rate or not container.duration
            else round(Fraction(container.duration, av.time_base) * self.rate)
        )
        self.borrowed = stream.codec_context.name == "rawvideo"
        self.lost = 0

    def receive(self) -> Sequence[Received] | None:
        """Decodes the next packet, which dies in here: one that outlives its device writes into memory that is gone."""
        try:
            packet = next(self._packets, None)
        except BlockingIOError:  # AVFoundation has no picture yet, and that ends PyAV's iterator
            self._packets = self._container.demux(self._stream)
            self._pause.wait(_LOOK_S)
            return ()
        except (av.FFmpegError, OSError) as fault:
            raise self._broken(fault) from fault
        if packet is None:
            if self._complete():
                return None
            raise Fault(f"{self._name} gives no more pictures", "it will be tried again; check that it is still there")
        return self._decoded(packet)

    def _decoded(self, packet: Packet[VideoStream]) -> list[Received]:
        try:
            frames: list[VideoFrame] = packet.decode()
        except av.EOFError:
            return []  # drained already
        except av.FFmpegError:  # half a picture: some cameras begin with one, and a loose cable makes more
            self.lost += 1
            return []
        now = time.monotonic_ns()
        self.lost += sum(frame.is_corrupt for frame in frames)
        return [Received(frame, now) for frame in frames if not frame.is_corrupt]

    def close(self) -> None:
        """Closes the container."""
        self._packets = iter(())
        self._container.close()
