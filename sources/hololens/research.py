"""hl2ss's research streams as a live source: the camera's pictures with pose and focal length, depth beside them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from contracts.live import Patience
from contracts.space import Intrinsics, Pose
from sources.hololens.address import Hl2ssAddress
from sources.hololens.channel import Channel, HungUp
from sources.hololens.depth import DepthReader
from sources.hololens.messages import STOP_CAMERA, TICKS_PER_S, VIDEO_PORT, VideoPacket, read_video, start_camera
from sources.hololens.space import picture_intrinsics, picture_pose
from sources.live.connection import Attempt, Connection, Fault, Received
from sources.live.source import Identity, LiveSource
from sources.live.waiting import sooner
from sources.names import name_of

log = logging.getLogger(__name__)

_STOP_S = 0.5
"""Seconds for switching the camera off: whoever closes does not wait for a device that is gone."""
_AWAITED = 16
"""Pictures that a decoder may hold back; an encoder for live video lets none wait."""
_REFUSED = (
    "it offers 1920x1080, 1280x720, 960x540, 640x360 and 424x240 at 30 or 15 frames per second; "
    "close other apps on the HoloLens that use its camera"
)
_NO_DEPTH = "allow research mode in the Device Portal and start the hl2ss app anew, or write depth=none"


def open_research(address: Hl2ssAddress, uri: str, patience: Patience) -> LiveSource:
    """Opens the streams of a device. Raises SourceError where it cannot be reached, refuses or stays silent."""
    identity = Identity(name_of(uri), uri, f"the HoloLens at {address.host}")
    return LiveSource(identity, ResearchOpener(address), patience)


class ResearchOpener:
    """Opens the streams of one device, anew each time."""

    def __init__(self, address: Hl2ssAddress) -> None:
        self._address = address
        self._tries = 0
        self._depth_missed = False

    def __call__(self, attempt: Attempt) -> Connection:
        """Raises Fault."""
        self._tries += 1
        number = self._tries
        return _Research(self._address, attempt, self._miss_depth, lambda: self._tries == number)

    def _miss_depth(self, fault: Fault) -> None:
        """Says once that there is none: the next tries are nobody's concern as long as there are pictures."""
        if not self._depth_missed:
            self._depth_missed = True
            log.warning("%s: there is no depth, the pictures go on without → %s", fault.message, _NO_DEPTH)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is known of a picture besides its pixels. size: (width, height) that the intrinsics are about."""

    size: tuple[int, int]
    intrinsics: Intrinsics | None
    pose: Pose | None


class _Research:
    """One connection. missed: told what is wrong with depth. is_latest: whether no later try has begun."""

    live = True
    frames = None
    borrowed = False
    time_base = Fraction(1, TICKS_PER_S)

    def __init__(
        self,
        address: Hl2ssAddress,
        attempt: Attempt,
        missed: Callable[[Fault], None],
        is_latest: Callable[[], bool],
    ) -> None:
        self._address, self._attempt, self._is_latest = address, attempt, is_latest
        self._deadline = time.monotonic() + sooner(attempt.patience.open_s)
        self.rate: Fraction | None = Fraction(address.wish.fps)
        self.lost = 0
        self._awaited: dict[int, _Seen] = {}
        self._decoder = av.VideoCodecContext.create(address.wish.format, "r")
        self._came = False
        self._depth: DepthReader | None = None
        with self._channel() as channel:
            channel.send(start_camera())
        try:
            self._stream = self._streaming()
        except Fault:
            self._switch_off()
            raise
        if address.depth:
            limits = attempt.patience
            self._depth = DepthReader(address.host, open_s=limits.open_s, read_s=limits.read_s, failed=missed)
            self._depth.start()

    def receive(self) -> Sequence[Received]:
        """The next picture, decoded. Raises Fault."""
        try:
            packet = read_video(self._stream.read)
        except HungUp as fault:
            if self._came:
                raise
            wish = self._address.wish
            asked = f"{wish.width}x{wish.height} at {wish.fps} frames per second"
            raise Fault(f"the HoloLens refuses {asked}", _REFUSED, again="once live") from fault
        self._came, self._stream.read_s = True, sooner(self._attempt.patience.read_s)
        self._remember(packet)
        frames = self._decoded(packet)
        now = time.monotonic_ns()
        return [self._received(frame, now) for frame in frames]

    def close(self) -> None:
        """Ends the streams and switches the camera off, unless somebody has switched it on again meanwhile."""
        self._stream.close()
        if self._depth is not None:
            self._depth.close()
        self._switch_off()

    def _switch_off(self) -> None:
        if self._is_latest():
            with (
                contextlib.suppress(Fault),
                Channel(self._address.host, VIDEO_PORT, open_s=_STOP_S, read_s=_STOP_S) as channel,
            ):
                channel.send(STOP_CAMERA)

    def _streaming(self) -> Channel:
        channel = self._channel()
        try:
            channel.send(self._address.wish.message())
        except Fault:
            channel.close()
            raise
        return channel

    def _channel(self) -> Channel:
        left = max(self._deadline - time.monotonic(), 0.001)
        return Channel(self._address.host, VIDEO_PORT, open_s=left, read_s=left, stopped=self._attempt.stopped)

    def _remember(self, packet: VideoPacket) -> None:
        seen = _Seen(packet.size, picture_intrinsics(packet), picture_pose(packet.pose))
        self._awaited[packet.timestamp] = seen
        if len(self._awaited) > _AWAITED:
            self._awaited.pop(next(iter(self._awaited)))
            self.lost += 1

    def _decoded(self, packet: VideoPacket) -> list[VideoFrame]:
        coded = av.Packet(packet.access_unit)
        coded.pts, coded.time_base = packet.timestamp, self.time_base
        try:
            return [frame for frame in self._decoder.decode(coded) if not frame.is_corrupt]
        except av.FFmpegError:
            return []

    def _received(self, frame: VideoFrame, arrival: int) -> Received:
        seen = self._remembered(frame.pts)
        if seen is None or frame.pts is None:
            return Received(frame, arrival)
        depth = self._depth.history.nearest(frame.pts) if self._depth is not None else None
        intrinsics = seen.intrinsics if seen.size == (frame.width, frame.height) else None
        return Received(frame, arrival, intrinsics, seen.pose, depth)

    def _remembered(self, stamp: int | None) -> _Seen | None:
        """What is known of a picture; those before it that have not come out are lost."""
        while stamp in self._awaited:
            oldest = next(iter(self._awaited))
            seen = self._awaited.pop(oldest)
            if oldest == stamp:
                return seen
            self.lost += 1
        return None
