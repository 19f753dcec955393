"""PacketDecoder: packets in, every decodable frame out, with frame threads for as long as nothing is damaged.

Frame threads decode several packets at once and are what makes decoding fast, but with them FFmpeg swallows good
frames beside a damaged one. So the decoder keeps a list of the frames it is owed. When a frame overtakes one that
should have come before it, or decoding raises, the packets since the last settled keyframe (kept for this) are decoded
again without frame threads; frames given out already are skipped, and the stream goes on carefully.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, cast

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

VideoPacket: TypeAlias = "Packet[VideoStream]"

_KEPT_BYTES = 64 << 20
"""Most compressed data kept for decoding again, bytes; a longer group of pictures goes on without frame threads."""
_SILENCE_IS_LOSS = frozenset({"h264", "hevc"})
"""Decoders that drop a damaged frame without a word. Elsewhere a silent packet shows nothing (VP8's hidden frames)."""

_LATEST = 32
"""Frames after which one that was thought lost is no longer looked for; H.264 and HEVC reorder 16 at most."""

_MOST_WAITING = 256
"""Packets whose frames may be awaited at once: far more than threads and reordering hold back."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded frame.

    gap: how many frames right before it, in order of showing, were lost; -1 where it was thought lost itself (beside
    damage, frames may come out of order).
    """

    frame: VideoFrame
    gap: int = 0


@dataclass(slots=True, eq=False)
class _Owed:
    """What a packet leads one to expect.

    key: order of showing (run of the clock, pts); None without a time stamp.
    certain: whether its frame must come for the stream to be whole.
    """

    key: tuple[int, int] | None
    certain: bool
    given: bool = False
    failed: bool = False


class PacketDecoder:
    """Decodes one stream's packets, fed in the container's order. Not thread-safe.

    context: the stream's own codec context; its parameters are copied, and it is not touched, when ``careful``.
    careful: start without frame threads (the stream is known to be damaged).
    stopped: asked between packets that are decoded again; decoding ends early when it says so.
    """

    def __init__(
        self, context: VideoCodecContext, *, careful: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.careful = careful
        """Whether frame threads are off; once damage has been seen they stay off."""
        self._context = without_frame_threads(context) if careful else context
        if not careful and not context.is_open:
            context.thread_type = ThreadType.AUTO
        self._stopped = stopped
        self._silence_is_loss = context.codec.canonical_name in _SILENCE_IS_LOSS
        self._kept: deque[tuple[VideoPacket, _Owed]] = deque()
        self._kept_bytes = 0
        self._waiting: list[_Owed] = []
        self._given_up: deque[_Owed] = deque(maxlen=_LATEST)
        self._lost_unplaced = 0
        self._unstamped = 0
        """Frames still owed by packets without a time stamp: only their number can be followed."""
        self._first_keyframe: tuple[int, int] | None = None
        self._clock_run, self._last_dts = 0, -(1 << 63)

    def feed(self, packet: VideoPacket) -> list[Decoded]:
        """The frames that come out when ``packet`` goes in, in order of showing."""
        owed = self._expect(packet)
        frames: list[Decoded] = []
        if not self.careful and self._is_out_of_hand(packet):
            frames = self._decode_again()
        if not self.careful:
            self._kept.append((packet, owed))
            self._kept_bytes += packet.size
        return frames + self._decode(packet, owed)

    def _is_out_of_hand(self, packet: VideoPacket) -> bool:
        """Whether damage could not be noticed, or not be mended, from here on."""
        return packet.pts is None or self._kept_bytes > _KEPT_BYTES or len(self._waiting) > _MOST_WAITING

    def finish(self) -> tuple[list[Decoded], int]:
        """The frames still inside, and how many were lost after the last of them."""
        frames = self._decode(None, None)
        if not self.careful and self._missing(self._waiting):
            frames += self._decode_again(drain=True)
        lost = self._lost(self._waiting) + (self._unstamped if self._silence_is_loss else 0)
        self._waiting, self._unstamped = [], 0
        return frames, max(lost, 0)

    def _expect(self, packet: VideoPacket) -> _Owed:
        """What ``packet`` should give.

        Nothing is certain of packets that an edit list hides, that come before the first keyframe, or that are shown
        before it (leading pictures: what they refer to lies before the point where decoding began).
        """
        if packet.dts is not None:
            self._clock_run += packet.dts < self._last_dts  # recordings strung together: the clock starts again
            self._last_dts = packet.dts
        if packet.pts is None:
            return _Owed(None, certain=True)
        key = (self._clock_run, packet.pts)
        if packet.is_keyframe and self._first_keyframe is None:
            self._first_keyframe = key
        leading = self._first_keyframe is None or key < self._first_keyframe
        return _Owed(key, certain=not leading and not packet.is_discard)

    def _decode(self, packet: VideoPacket | None, owed: _Owed | None) -> list[Decoded]:
        """Feeds one packet, or None to get out what is still inside."""
        if owed is not None and owed.key is not None:
            self._waiting.append(owed)
            if self.careful and len(self._waiting) > _MOST_WAITING:
                self._lost_unplaced = self._lost([self._waiting.pop(0)])
        self._unstamped += owed is not None and owed.key is None
        try:
            frames = self._context.decode(packet)
        except av.EOFError:
            return []  # drained already
        except av.FFmpegError:
            if not self.careful:
                return self._decode_again(drain=packet is None)
            self._note_failure(owed)
            return []
        given: list[Decoded] = []
        for frame in frames:
            own = _of(frame, self._waiting)
            overtaken = self._overtaken_by(own)
            if not self.careful and self._missing(overtaken):
                return given + self._decode_again(drain=packet is None)
            if self._strike_off(frame, own, overtaken):
                gap = self._lost(overtaken) - (own is None and self._is_late(frame))
                given.append(Decoded(frame, gap))
        return given

    def _strike_off(self, frame: VideoFrame, own: _Owed | None, overtaken: list[_Owed]) -> bool:
        """Takes a frame, and those it overtook, off the list; says whether the frame is a new one."""
        if frame.interlaced_frame:
            self._silence_is_loss = False  # a packet may hold one field of a frame and give none of its own
        if overtaken:
            self._waiting = [each for each in self._waiting if each not in overtaken]
        if own is None:
            self._unstamped -= frame.pts is None
            return True
        self._waiting.remove(own)
        new, own.given = not own.given, True
        if frame.key_frame:
            self._forget_before(own)
        return new

    def _is_late(self, frame: VideoFrame) -> bool:
        own = _of(frame, self._given_up)
        if own is not None:
            self._given_up.remove(own)
        return own is not None

    def _overtaken_by(self, own: _Owed | None) -> list[_Owed]:
        if own is None or own.key is None:
            return []
        key = own.key
        return [each for each in self._waiting if each.key is not None and each.key < key]

    def _missing(self, owed: list[_Owed]) -> bool:
        return any(each.certain and not each.given for each in owed)

    def _lost(self, owed: list[_Owed]) -> int:
        """How many of these will not come any more, with those lost where nobody knows their place."""
        lost = [each for each in owed if each.certain and not each.given and (each.failed or self._silence_is_loss)]
        self._given_up.extend(lost)
        unplaced, self._lost_unplaced = self._lost_unplaced, 0
        return len(lost) + unplaced

    def _note_failure(self, owed: _Owed | None) -> None:
        if owed is not None:
            owed.failed = True
            self._lost_unplaced += owed.key is None
            self._unstamped -= owed.key is None

    def _forget_before(self, keyframe: _Owed) -> None:
        """Lets go of packets that decoding again would not need: all before a keyframe that has been given out."""
        while self._kept and self._kept[0][1] is not keyframe:
            packet, owed = self._kept[0]
            if self._missing([owed]):
                return
            self._kept_bytes -= packet.size
            self._kept.popleft()

    def _decode_again(self, *, drain: bool = False) -> list[Decoded]:
        """Goes on without frame threads from the last settled keyframe; ``drain``: to the very end."""
        self.careful = True
        self._context = without_frame_threads(self._context)
        kept, self._kept, self._kept_bytes = self._kept, deque(), 0
        self._waiting = []
        frames: list[Decoded] = []
        while kept and not self._stopped():
            frames += self._decode(*kept.popleft())
        return frames + (self._decode(None, None) if drain else [])


def _of(frame: VideoFrame, owed: Iterable[_Owed]) -> _Owed | None:
    """What was owed and has come: the oldest with the frame's time stamp."""
    return next((each for each in owed if each.key is not None and each.key[1] == frame.pts), None)


def without_frame_threads(context: VideoCodecContext) -> VideoCodecContext:
    """A fresh decoder for the same stream that decodes one packet after the other.

    Made from the old one's parameters and not from the file, which may have shrunk or gone since.
    """
    fresh = cast("VideoCodecContext", av.CodecContext.create(context.codec, "r"))
    fresh.extradata = context.extradata
    fresh.codec_tag = context.codec_tag
    fresh.width, fresh.height = context.width, context.height
    if context.pix_fmt is not None:
        fresh.pix_fmt = context.pix_fmt
    fresh.thread_type = ThreadType.SLICE
    return fresh
