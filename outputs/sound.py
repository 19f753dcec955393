"""The source's sound as packets for an MP4 whose clock starts at another moment: copied, or as AAC where it must be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

log = logging.getLogger(__name__)

_COPIED = frozenset({"aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"})
"""Codecs that players expect in MP4; what else FFmpeg would put there (PCM, Vorbis) few of them play."""
_AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350})
_READ_ERRORS = (OSError, av.FFmpegError)


class Sound:
    """The first audio stream of a file, from ``start`` on its clock for ``seconds``; a context manager.

    Raises OSError or av.FFmpegError when the file cannot be opened, LookupError when it has no sound.
    """

    def __init__(self, path: Path, start: Fraction, seconds: Fraction) -> None:
        self._container = av.open(f"file:{path}")
        if not self._container.streams.audio or self._container.streams.audio[0].codec_context is None:
            self._container.close()
            raise LookupError(f"no sound in {path} that could be read")
        self._stream: AudioStream = self._container.streams.audio[0]
        self._start = start
        self._seconds = seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def packets(self, out: OutputContainer) -> Iterator[av.Packet[AudioStream]]:
        """Adds a track to ``out`` at once and returns its packets, in order; second 0 is ``start``.

        What is cut off or damaged ends the sound there, with a warning; it is never a reason to lose the picture.
        """
        codec = self._stream.codec_context.codec.canonical_name  # not the decoder's: mp3, not mp3float
        if codec in _COPIED:
            return self._copied(out.add_stream_from_template(self._stream))
        rate = self._stream.codec_context.sample_rate
        track = out.add_stream("aac", rate=rate if rate in _AAC_RATES else 48_000)
        track.codec_context.layout = "mono" if self._stream.codec_context.channels == 1 else "stereo"
        log.info("sound: %s becomes AAC", codec)
        return self._transcoded(track)

    def _copied(self, track: AudioStream) -> Iterator[av.Packet[AudioStream]]:
        base = self._stream.time_base or Fraction(1, 1_000_000)
        offset, end = round(self._start / base), round((self._start + self._seconds) / base)
        last: int | None = None
        for packet in self._demuxed(base):
            if packet.pts is None or packet.dts is None or (last is not None and packet.dts <= last):
                continue
            if packet.pts >= end:
                return
            if packet.pts + (packet.duration or 0) < offset:  # one that ends right there primes the decoder
                continue
            last = packet.dts
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = track
            yield packet

    def _transcoded(self, track: AudioStream) -> Iterator[av.Packet[AudioStream]]:
        base = self._stream.time_base or Fraction(1, 1_000_000)
        for packet in self._demuxed(base):
            for frame in self._decoded(packet):
                if frame.pts is None or frame.time_base is None:
                    continue
                begin = frame.pts * frame.time_base - self._start
                if begin >= self._seconds:
                    yield from track.encode(None)
                    return
                if begin + Fraction(frame.samples, frame.sample_rate) > 0:
                    frame.pts = round(begin / frame.time_base)
                    yield from track.encode(frame)
        yield from track.encode(None)

    def _decoded(self, packet: av.Packet[AudioStream]) -> list[AudioFrame]:
        try:
            return list(self._stream.codec_context.decode(packet))
        except av.FFmpegError as fault:
            log.debug("sound: a damaged packet left out: %s", fault)
            return []

    def _demuxed(self, base: Fraction) -> Iterator[av.Packet[AudioStream]]:
        """Packets of the stream from a little before ``start`` to the end or to the first damage."""
        try:
            if self._start > 0:
                self._container.seek(int(self._start / base), stream=self._stream, backward=True)
        except _READ_ERRORS:  # a container without an index is read from its beginning
            log.debug("sound: cannot seek")
        try:
            for packet in self._container.demux(self._stream):
                if packet.dts is not None:
                    yield packet
        except _READ_ERRORS as fault:
            log.warning("the sound ends early: its source is damaged (%s)", fault)
