"""CameraSource: a USB or CSI camera as a live source.

A driver may block a read for good, and nothing ends that from outside. So a thread of ours opens and reads the device
and hands over decoded pictures; who asks for frames waits for that thread, never for the driver.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from contracts.errors import SourceError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.protocols import Losses
from sources.camera_device import CameraAddress, Device, lost_error, open_device
from sources.shaping import Shaper
from sources.timeline import Timeline

log = logging.getLogger(__name__)

FIRST_S = 15.0
"""Seconds to the first picture: some cameras take several to wake up and to measure the light."""
READ_S = 5.0
"""Seconds between two pictures after which the camera is given up: even in the dark they come faster."""
_JOIN_S = 1.0
_LOOK_S = 0.004
"""Between two looks at a device that does not wait for its next picture itself."""
_WAITING = 4
"""Pictures that wait for whoever asks for frames; of a live source the oldest goes when there is one more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Arrival:
    """One picture. stamp, duration: in ticks. index: place among all that came; arrival: monotonic ns."""

    picture: Picture
    stamp: int | None
    duration: int | None
    index: int
    arrival: int


class CameraReader(threading.Thread):
    """Opens a device, reads it, and keeps the latest pictures. Ends by itself when told, at the next picture.

    lost: pictures that could not be decoded. time_base, rate, shaper: of the stream, once there is a picture.
    """

    def __init__(self, device: Device, opener: Callable[[Device], InputContainer] = open_device) -> None:
        super().__init__(name=f"camera {device.address}", daemon=True)  # the driver may never let go of it
        self._device, self._opener = device, opener
        self._arrivals: deque[_Arrival] = deque(maxlen=_WAITING)
        self._changed = threading.Condition()
        self._stopping, self._over = False, False
        self._fault: Exception | None = None
        self._count = 0
        self._last_ns = time.monotonic_ns()
        self.lost = 0
        self._borrowed = False
        """Whether pictures lie in the driver's memory, which is gone when the device is closed."""
        self.time_base = Fraction(1, av.time_base)
        self.rate: Fraction | None = None
        self.shaper: Shaper | None = None

    def run(self) -> None:
        """The thread: whatever goes wrong is kept for ``next``."""
        try:
            self._read()
        except Exception as fault:  # noqa: BLE001  # a thread's outermost frame: handed to who waits for pictures
            self._fault = fault
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def stop(self) -> None:
        """Ends the thread at its next picture, and at once whoever waits in ``next``; from any thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def next(self, limit_s: float) -> _Arrival | None:
        """The oldest picture that waits, or the next; None: stopped. Raises SourceError.

        limit_s: most seconds since the last picture came (or since the start).
        """
        with self._changed:
            while not self._arrivals:
                if self._stopping:
                    return None
                if self._over:
                    raise self._ended()
                left = limit_s - (time.monotonic_ns() - self._last_ns) / 1e9
                if left <= 0:
                    raise self._silent(limit_s)
                self._changed.wait(left)
            return None if self._stopping else self._arrivals.popleft()

    def _read(self) -> None:
        with self._opener(self._device) as container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream) or stream.codec_context is None:
                raise SourceError(f"{self._device.name} gives no video", "name another camera")
            self.time_base = stream.time_base or self.time_base
            self.rate = stream.average_rate or stream.guessed_rate
            self._borrowed = stream.codec_context.name == "rawvideo"
            packets, more = container.demux(stream), True
            while more and not self._stopping:
                try:
                    more = self._took(packets)
                except BlockingIOError:  # AVFoundation has no picture yet, and that ends PyAV's iterator
                    packets = container.demux(stream)
                    with self._changed:
                        self._changed.wait(_LOOK_S)

    def _took(self, packets: Iterator[Packet[VideoStream]]) -> bool:
        """Takes one packet; False where there are no more.

        Packets die in here: one that outlives its device writes into memory that is gone.
        """
        packet = next(packets, None)
        if packet is None:
            return False
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # half a picture: some cameras begin with one, and a loose cable makes more
            self._count += 1
            self.lost += 1
            return True
        for frame in frames:
            self._arrived(frame)
        return True

    def _arrived(self, frame: VideoFrame) -> None:
        now = time.monotonic_ns()
        if self.shaper is None:
            self.shaper = Shaper(frame)
        picture = self.shaper.picture(frame)
        if self._borrowed and picture.owner is frame:
            picture = _copied(picture)
        arrival = _Arrival(picture, frame.pts, frame.duration, self._count, now)
        with self._changed:
            self._arrivals.append(arrival)
            self._count, self._last_ns = self._count + 1, now
            self._changed.notify_all()

    def _ended(self) -> SourceError:
        if isinstance(self._fault, SourceError):
            return self._fault
        if self._fault is not None:
            found = lost_error(self._device, self._fault)
            found.__cause__ = self._fault
            return found
        return SourceError(f"{self._device.name} gives no more pictures", "check its cable and plug it in again")

    def _silent(self, limit_s: float) -> SourceError:
        what = "has given no picture" if not self._count else "gave no more pictures"
        cure = "check its cable, unplug it and plug it in again; another program may hold it, or its lens be shut"
        return SourceError(f"{self._device.name} {what} for {limit_s:g} s", cure)


class CameraSource:
    """Gives the pictures of a camera as they come: ``pts`` by the device's clock, from 0 on, always rising.

    What is not taken in time is left out, as a gap in ``Frame.index``. first_s, read_s: seconds to the first picture
    and between two. Raises SourceError where the device cannot be opened or stays silent.
    """

    def __init__(
        self, device: Device, address: CameraAddress, uri: str, *, first_s: float = FIRST_S, read_s: float = READ_S
    ) -> None:
        self._read_s = read_s
        self._closing = threading.Lock()
        self._closed = False
        self._reader = CameraReader(device)
        self._reader.start()
        try:
            first = self._reader.next(first_s)
        except BaseException:
            self.close()
            raise
        assert first is not None  # nobody else could have stopped it yet
        self._next: _Arrival | None = first
        self._zero = first.index
        shaper = self._reader.shaper
        assert shaper is not None  # made for that picture
        self._timeline = Timeline(self._reader.time_base, self._reader.rate)
        self._info = SourceInfo(
            id=address.id,
            uri=uri,
            width=shaper.width,
            height=shaper.height,
            rate=self._reader.rate,
            time_base=self._reader.time_base,
            start=(first.stamp or 0) * self._reader.time_base,
            live=True,
            rotation=shaper.orientation.rotation,
            mirrored=shaper.orientation.mirrored,
        )
        self._say_what_it_chose(device, address)

    @property
    def info(self) -> SourceInfo:
        """What is known about the camera."""
        return self._info

    @property
    def losses(self) -> Losses:
        """Pictures that could not be decoded so far."""
        return Losses(lost=self._reader.lost)

    def frames(self) -> Iterator[Frame]:
        """The pictures, until ``close()``. Raises SourceError when the camera is silent or gone."""
        while (arrived := self._take()) is not None:
            yield Frame(
                picture=arrived.picture,
                index=arrived.index - self._zero,
                pts=self._timeline.place(arrived.stamp, arrived.duration),
                arrival=arrived.arrival,
                source=self._info,
            )

    def close(self) -> None:
        """Ends ``frames()`` at once and lets go of the device; from any thread, as often as you like."""
        self._reader.stop()
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._reader.join(_JOIN_S)
            if self._reader.is_alive():
                log.warning("%s: its driver does not answer, and is left to itself", self._reader.name)

    def _take(self) -> _Arrival | None:
        arrived, self._next = self._next, None
        if arrived is not None and not self._closed:
            return arrived
        return self._reader.next(self._read_s)

    def _say_what_it_chose(self, device: Device, address: CameraAddress) -> None:
        """Drivers take the nearest they have, without a word."""
        info, chosen = self._info, []
        if address.size is not None and address.size != (info.width, info.height):
            chosen.append(f"{info.width}x{info.height} instead of {address.size[0]}x{address.size[1]}")
        if address.fps is not None and info.rate is not None and abs(info.rate / address.fps - 1) > Fraction(1, 100):
            chosen.append(f"{float(info.rate):g} frames per second instead of {float(address.fps):g}")
        if chosen:
            log.warning("%s does not offer what was asked for: it gives %s", device.name, " and ".join(chosen))


def _copied(picture: Picture) -> Picture:
    """The same picture in memory of its own."""
    planes = tuple(np.array(plane) for plane in picture.planes)
    for plane in planes:
        plane.flags.writeable = False
    return Picture(picture.format, planes, picture.matrix, picture.full_range, picture.tagged)
