"""Pictures in, packets out: what recording and pushing do the same way before a container takes the packets."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from contracts.picture import Picture
from outputs.encoder import KEYFRAME_SECONDS, TICKS, Encoder
from outputs.i420 import encodable, even_size

log = logging.getLogger(__name__)

Packets: TypeAlias = "list[av.Packet[Any]]"

_KEY, _ANY = 1, 0  # FFmpeg's AV_PICTURE_TYPE_I and AV_PICTURE_TYPE_NONE
# FFmpeg's numbers (libavutil/pixfmt.h) for primaries, transfer, matrix, as ITU-T H.273 counts them.
_COLOUR = {"bt601": (6, 6, 6), "bt709": (1, 1, 1), "bt2020": (9, 14, 9)}
_LIMITED_RANGE = 1


class PictureEncoder:
    """Encodes pictures at their own times; those of another size than the first are scaled to it.

    target: a context, or a container's stream, not open yet. picture: the first one, for its size and colours.
    keyframe: seconds between keyframes at most. Everything raises av.FFmpegError.
    """

    def __init__(
        self,
        target: VideoCodecContext | VideoStream,
        encoder: Encoder,
        rate: Fraction,
        picture: Picture,
        *,
        keyframe: Fraction = KEYFRAME_SECONDS,
    ) -> None:
        self.size = even_size(picture.width, picture.height)
        context = target.codec_context if isinstance(target, VideoStream) else target
        self._target = target
        encoder.set_up(context, self.size, rate)
        _tag_colour(context, picture)
        self._step = max(1, round(TICKS / rate))
        self._clock = _Clock(self._step, keyframe)
        self._scaled = False

    @property
    def first(self) -> Fraction:
        """Seconds of the first frame."""
        return Fraction(self._clock.first or 0, TICKS)

    def packets(self, picture: Picture, pts: Fraction) -> Packets:
        """One picture at ``pts`` seconds."""
        if not self._scaled and even_size(picture.width, picture.height) != self.size:
            log.warning(
                "the picture's size changed to %d×%d; scaled to %d×%d", picture.width, picture.height, *self.size
            )
            self._scaled = True
        frame = encodable(picture, self.size)
        frame.time_base = Fraction(1, TICKS)
        frame.pts, key = self._clock.tick(pts)
        frame.pict_type = _KEY if key else _ANY
        return self._lasting(frame)

    def rest(self) -> Packets:
        """What was still inside, at the end."""
        return self._lasting(None)

    def _lasting(self, frame: av.VideoFrame | None) -> Packets:
        packets = self._target.encode(frame)
        for packet in packets:
            packet.duration = self._step  # only the last one's shows; the others last until the next
        return packets


class _Clock:
    """Ticks of frames, and which of them must be keyframes.

    A pts that repeats or runs backward becomes one tick after the frame before it: MP4 cannot say it otherwise.
    """

    def __init__(self, step: int, keyframe: Fraction) -> None:
        self._step, self._keyframe = step, keyframe
        self._last: int | None = None
        self._key: int | None = None
        self.first: int | None = None

    def tick(self, pts: Fraction) -> tuple[int, bool]:
        """Ticks of the frame at ``pts`` seconds, and whether it must be a keyframe.

        It must where the next frame would come more than the keyframes' distance after the last one; the next frame
        is expected after the nominal step or after the last one, whichever is longer.
        """
        ticks = round(pts * TICKS)
        if self._last is not None and ticks <= self._last:
            ticks = self._last + 1
        if self.first is None:
            self.first = ticks
        step = self._step if self._last is None else max(self._step, ticks - self._last)
        key = self._key is None or ticks + step - self._key > self._keyframe * TICKS
        self._last, self._key = ticks, ticks if key else self._key
        return ticks, key


def _tag_colour(context: VideoCodecContext, picture: Picture) -> None:
    """Says what the colours mean where the source did, and where we made them from BGR; untagged stays untagged."""
    if not picture.tagged and picture.format != "bgr24":
        return
    matrix = "bt709" if picture.format == "bgr24" else picture.matrix
    context.color_primaries, context.color_trc, context.colorspace = _COLOUR[matrix]
    context.color_range = _LIMITED_RANGE
