"""Recording: the growing MP4 of annotated pictures, playable whenever it is killed; and the ticks its frames get."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from contracts.picture import Picture
from outputs.encoder import KEYFRAME_SECONDS, TICKS, Encoder
from outputs.i420 import encodable, even_size

log = logging.getLogger(__name__)

FAULTS = (OSError, av.FFmpegError)
"""What encoding and writing raise."""
_RECORDING = {
    "frag_duration": "250000",  # µs
    "flush_packets": "1",  # else up to 256 KiB wait in FFmpeg's buffer, and a kill cuts a fragment in half
}
_MOVFLAGS = "hybrid_fragmented+negative_cts_offsets"  # fragments until closed, a plain MP4 afterwards
_FRAGMENTS_PER_S = 4
_FRAGMENT_BYTES, _FRAME_BYTES, _FILE_BYTES = 200, 24, 4096
"""What headers and index take at most: of a fragment, a frame, a file (measured from 1 to 240 frames a second)."""
_KEY, _ANY = 1, 0  # FFmpeg's AV_PICTURE_TYPE_I and AV_PICTURE_TYPE_NONE
# FFmpeg's numbers (libavutil/pixfmt.h) for primaries, transfer, matrix, as ITU-T H.273 counts them.
_COLOUR = {"bt601": (6, 6, 6), "bt709": (1, 1, 1), "bt2020": (9, 14, 9)}
_LIMITED_RANGE = 1


class Recording:
    """The growing file: an encoder and FFmpeg's MP4 writer. Everything raises OSError or av.FFmpegError.

    Its first frame is at 0, whenever that came. ``picture``: the first one, for its size and its colours. ``tags``:
    those with a box of their own in every MP4.
    """

    def __init__(
        self, path: Path, encoder: Encoder, rate: Fraction, picture: Picture, tags: Mapping[str, str] | None = None
    ) -> None:
        self.size = even_size(picture.width, picture.height)
        self._step = max(1, round(TICKS / rate))
        self._container: OutputContainer = av.open(
            f"file:{path}", "w", format="mp4", container_options={"movflags": _MOVFLAGS, **_RECORDING}
        )
        self._container.metadata.update(tags or {})
        stream = self._container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        self._stream = stream
        encoder.set_up(self._stream.codec_context, self.size, rate)
        _tag_colour(self._stream.codec_context, picture)
        self._clock = _Clock(self._step)
        self._scaled = False
        self._frames = self._bytes = 0
        self.largest = 0
        """Bytes of the largest packet so far."""

    @property
    def first(self) -> Fraction:
        """Seconds of the first frame, as it was given."""
        return Fraction(self._clock.first, TICKS)

    @property
    def bytes(self) -> int:
        """How large the file is if it ends now, its index included; a little more than it turns out to be."""
        fragments = min(self._frames, self._clock.elapsed * _FRAGMENTS_PER_S // TICKS + 1)
        return self._bytes + self._frames * _FRAME_BYTES + fragments * _FRAGMENT_BYTES + _FILE_BYTES

    def elapsed(self, pts: Fraction) -> Fraction:
        """Seconds from the first frame to one that would come next, at ``pts``."""
        return Fraction(self._clock.at(pts) - self._clock.first, TICKS)

    def write(self, picture: Picture, pts: Fraction) -> None:
        """One picture at ``pts`` seconds; of another size, it is scaled."""
        if not self._scaled and even_size(picture.width, picture.height) != self.size:
            log.warning(
                "the picture's size changed to %d×%d; scaled to %d×%d", picture.width, picture.height, *self.size
            )
            self._scaled = True
        frame = encodable(picture, self.size)
        frame.time_base = Fraction(1, TICKS)
        ticks, key = self._clock.tick(pts)
        frame.pts = ticks - self._clock.first
        frame.pict_type = _KEY if key else _ANY
        self._mux(frame)

    def finish(self) -> None:
        """Writes what is left; then the file is a plain MP4, its index at the end."""
        self._mux(None)
        self._container.close()

    def abandon(self) -> None:
        """Closes after a fault, whatever state the file is in."""
        with suppress(*FAULTS):  # the trailer cannot be written either
            self._container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._step  # only the last one's shows; the others last until the next
            self._frames, self._bytes = self._frames + 1, self._bytes + packet.size
            self.largest = max(self.largest, packet.size)
            self._container.mux(packet)


class _Clock:
    """Ticks of frames, and which of them must be keyframes.

    A pts that repeats or runs backward becomes one tick after the frame before it: MP4 cannot say it otherwise.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._last: int | None = None
        self._key: int | None = None
        self.first = 0
        """Ticks of the first frame."""

    @property
    def elapsed(self) -> int:
        """Ticks from the first frame to the last one."""
        return self._last - self.first if self._last is not None else 0

    def at(self, pts: Fraction) -> int:
        """Ticks that the next frame gets if it is at ``pts`` seconds."""
        ticks = round(pts * TICKS)
        return ticks if self._last is None else max(ticks, self._last + 1)

    def tick(self, pts: Fraction) -> tuple[int, bool]:
        """Ticks of the frame at ``pts`` seconds, and whether it must be a keyframe.

        It must where the next frame would come more than half a second after the last one; the next frame is
        expected after the nominal step or after the last one, whichever is longer.
        """
        ticks = self.at(pts)
        if self._last is None:
            self.first = ticks
        step = self._step if self._last is None else max(self._step, ticks - self._last)
        key = self._key is None or ticks + step - self._key > KEYFRAME_SECONDS * TICKS
        self._last, self._key = ticks, ticks if key else self._key
        return ticks, key


def _tag_colour(context: VideoCodecContext, picture: Picture) -> None:
    """Says what the colours mean where the source did, and where we made them from BGR; untagged stays untagged."""
    if not picture.tagged and picture.format != "bgr24":
        return
    matrix = "bt709" if picture.format == "bgr24" else picture.matrix
    context.color_primaries, context.color_trc, context.colorspace = _COLOUR[matrix]
    context.color_range = _LIMITED_RANGE
