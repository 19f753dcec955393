"""Makes the finished MP4 from the recorded part: packets copied, index in front, what travels with it beside them."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from outputs.encoder import TICKS
from outputs.paths import is_full
from outputs.sound import Sound
from outputs.tags import need_keys
from outputs.telemetry import Telemetry

log = logging.getLogger(__name__)

AnyPacket: TypeAlias = "av.Packet[Any]"
_Beside = TypeVar("_Beside", Sound, Telemetry)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What belongs to the picture: files that hold its sound and its telemetry, and tags about the whole.

    start: the second on those files' clock at pts 0 of the recording.
    """

    sound: Path | None = None
    telemetry: Path | None = None
    tags: Mapping[str, str] | None = None
    start: Fraction = Fraction(0)


class _MissingError(Exception):
    """What a field of Belongings names cannot be opened."""

    def __init__(self, name: str, fault: Exception) -> None:
        super().__init__(name)
        self.name, self.fault = name, fault


def remux(part: Path, finished: Path, first: Fraction, belongings: Belongings) -> None:
    """Copies the picture of ``part`` to ``finished``, its index in front, with its belongings up to the picture's end.

    first: seconds of the first frame; the part does not keep them (its first frame is at 0). What cannot be had or
    written is left out with a warning. Raises OSError (disk full …) or av.FFmpegError; then ``finished`` is in no
    state to be used.
    """
    warnings: list[str] = []
    while True:
        try:
            warnings += _remux(part, finished, first, belongings)
            break
        except _MissingError as missing:
            belongings = _without(belongings, missing.name, missing.fault, warnings)
        except (OSError, ValueError, av.FFmpegError) as fault:  # ValueError: a stream that FFmpeg's MP4 does not know
            suspects = [name for name in ("telemetry", "sound", "tags") if getattr(belongings, name)]
            if is_full(fault) or not suspects:
                raise
            belongings = _without(belongings, suspects[0], fault, warnings)
    for words in warnings:
        log.warning("%s", words)


def _without(belongings: Belongings, name: str, fault: Exception, warnings: list[str]) -> Belongings:
    """The others; adds to the warnings what is left out, unless there never was any."""
    held = getattr(belongings, name)
    if isinstance(fault, LookupError):
        log.debug("%s", fault)
    else:
        warnings.append(f"the {name}{f' of {held}' if isinstance(held, Path) else ''} is left out: {fault}")
    if name == "tags":
        return replace(belongings, tags=None)
    return replace(belongings, sound=None) if name == "sound" else replace(belongings, telemetry=None)


def _remux(part: Path, finished: Path, first: Fraction, belongings: Belongings) -> list[str]:
    """One try; returns warnings. Raises _MissingError besides."""
    with ExitStack() as stack:
        recorded = stack.enter_context(av.open(f"file:{part}"))
        video = recorded.streams.video[0]
        length = first + Fraction(video.duration or 0) * (video.time_base or 0)

        def beside(kind: Callable[[Path, Fraction, Fraction], _Beside], name: str) -> _Beside | None:
            path = getattr(belongings, name)
            try:
                return stack.enter_context(kind(path, belongings.start, length)) if path is not None else None
            except (OSError, LookupError, av.FFmpegError) as fault:
                raise _MissingError(name, fault) from fault

        heard, measured = beside(Sound, "sound"), beside(Telemetry, "telemetry")
        # closed last, and on errors too: its trailer is what makes a file of it
        out = _file_to_write(finished, belongings.tags or {})
        stack.callback(out.close)
        tracks: list[Iterator[AnyPacket]] = [_picture(recorded, out, first)]
        tracks += [track.packets(out) for track in (heard, measured) if track is not None]
        for packet in heapq.merge(*tracks, key=_seconds):
            out.mux(packet)
        lost = ", ".join(measured.left_out) if measured is not None else ""
        return [f"{lost} of {belongings.telemetry}: left out, FFmpeg's MP4 holds no such track"] if lost else []


def _file_to_write(path: Path, tags: Mapping[str, str]) -> OutputContainer:
    flags = "faststart+use_metadata_tags" if need_keys(tags) else "faststart"
    out = av.open(f"file:{path}", "w", format="mp4", container_options={"movflags": flags})
    out.metadata.update(tags)
    return out


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
