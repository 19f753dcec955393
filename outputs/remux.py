"""Makes the finished MP4 from the recorded part: packets copied, index in front, the source's sound beside them."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from outputs.encoder import TICKS
from outputs.paths import is_full
from outputs.sound import Sound

log = logging.getLogger(__name__)

AnyPacket: TypeAlias = "av.Packet[VideoStream] | av.Packet[AudioStream]"


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """Where the sound is, and the second on its clock at pts 0 of the recording."""

    path: Path
    start: Fraction


def remux(part: Path, finished: Path, first: Fraction, sound: SoundTrack | None) -> None:
    """Copies the picture of ``part`` to ``finished`` with its index in front, and the sound up to the picture's end.

    first: seconds of the first frame; the part does not keep them (its first frame is at 0). Sound that cannot be
    had is left out with a warning. Raises OSError (disk full …) or av.FFmpegError; then ``finished`` is in no state
    to be used.
    """
    if sound is not None:
        try:
            _remux(part, finished, first, sound)
        except LookupError as fault:
            log.debug("%s", fault)
        except (OSError, av.FFmpegError) as fault:
            if is_full(fault):
                raise
            log.warning("the sound of %s is left out: %s", sound.path, fault)
        else:
            return
    _remux(part, finished, first, None)


def _remux(part: Path, finished: Path, first: Fraction, sound: SoundTrack | None) -> None:
    with ExitStack() as stack:
        recorded = stack.enter_context(av.open(f"file:{part}"))
        video = recorded.streams.video[0]
        length = first + Fraction(video.duration or 0) * (video.time_base or 0)
        heard = stack.enter_context(Sound(sound.path, sound.start, length)) if sound is not None else None
        # closed last, and on errors too: its trailer is what makes a file of it
        out = av.open(f"file:{finished}", "w", format="mp4", container_options={"movflags": "faststart"})
        stack.callback(out.close)
        tracks: list[Iterator[AnyPacket]] = [_picture(recorded, out, first)]
        if heard is not None:
            tracks.append(heard.packets(out))
        for packet in heapq.merge(*tracks, key=_seconds):
            out.mux(packet)


def _picture(recorded: InputContainer, out: OutputContainer, first: Fraction) -> Iterator[av.Packet[VideoStream]]:
    """Adds the picture's track to ``out`` at once and returns its packets, the first one at ``first`` seconds."""
    video = recorded.streams.video[0]
    track = out.add_stream_from_template(video, opaque=True)  # AV1's decoder has no encoder of the same name
    track.codec_context.codec_tag = video.codec_context.codec_tag  # hvc1
    track.time_base = Fraction(1, TICKS)
    delay = round(first / video.time_base) if video.time_base else 0

    def packets() -> Iterator[av.Packet[VideoStream]]:
        for packet in recorded.demux(video):
            if packet.pts is None or packet.dts is None:  # the empty packet that ends a stream
                continue
            packet.pts, packet.dts = packet.pts + delay, packet.dts + delay
            packet.stream = track
            yield packet

    return packets()


def _seconds(packet: AnyPacket) -> float:
    """When a packet is decoded; tracks are interleaved by this."""
    return float((packet.dts or 0) * (packet.time_base or 0))
