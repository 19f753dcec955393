"""The source's GPS and other data and subtitle tracks as packets for an MP4 whose clock starts at another moment."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import av
from av.container import OutputContainer
from av.stream import Discard, Stream

log = logging.getLogger(__name__)

AnyPacket: TypeAlias = "av.Packet[Any]"
_READ_ERRORS = (OSError, av.FFmpegError)
_NO_TEXT = b"\0\0"
"""A subtitle of MP4 without letters: a pause, which FFmpeg writes by itself where it is needed."""
_KEPT_TAGS = ("handler_name", "language")


class Telemetry:
    """The data and subtitle tracks of a file that an MP4 can hold, from ``start`` on its clock for ``seconds``.

    A context manager. Raises OSError or av.FFmpegError when the file cannot be opened, LookupError when it has no such
    tracks at all. ``left_out``: the names of those that an MP4 cannot hold.
    """

    def __init__(self, path: Path, start: Fraction, seconds: Fraction) -> None:
        self._container = av.open(f"file:{path}", metadata_errors="replace")
        found = [*self._container.streams.data, *self._container.streams.subtitles]
        if not found:
            self._container.close()
            raise LookupError(f"no data and no subtitles in {path}")
        self._streams = [stream for stream in found if _fits_mp4(stream)]
        self.left_out = [_name(stream) for stream in found if stream not in self._streams]
        self._start, self._seconds = start, seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def packets(self, out: OutputContainer) -> Iterator[AnyPacket]:
        """Adds the tracks to ``out`` at once and returns their packets; second 0 is ``start``.

        What is damaged ends them there, with a warning.
        """
        tracks: dict[int, _Track] = {}
        for stream in self._streams:
            written = out.add_stream_from_template(stream)
            written.metadata.clear()
            written.metadata.update({tag: stream.metadata[tag] for tag in _KEPT_TAGS if tag in stream.metadata})
            tracks[stream.index] = _Track(stream, written, self._start, self._seconds)
        return self._cut(tracks)

    def _cut(self, tracks: dict[int, _Track]) -> Iterator[AnyPacket]:
        going_on = set(tracks)
        for packet in self._demuxed():
            track = tracks[packet.stream_index]
            if track.is_over(packet):
                going_on.discard(packet.stream_index)
                if not going_on:
                    return
            elif track.take(packet):
                yield packet

    def _demuxed(self) -> Iterator[AnyPacket]:
        """Packets of the tracks in the file's order, from a little before ``start`` on."""
        if not self._streams:
            return
        for stream in self._container.streams:
            if stream not in self._streams:  # pictures and sound need not be read a second time
                stream.discard = Discard.all
        try:
            if self._start > 0:
                self._container.seek(int(self._start * av.time_base), backward=True)
        except _READ_ERRORS:  # a container without an index is read from its beginning
            log.debug("telemetry: cannot seek")
        try:
            for packet in self._container.demux(self._streams):
                if packet.size and packet.pts is not None:
                    yield packet
        except _READ_ERRORS as fault:
            log.warning("data and subtitle tracks end early: their source is damaged (%s)", fault)


class _Track:
    """One track on its way from one clock to another."""

    def __init__(self, stream: Stream, written: Stream, start: Fraction, seconds: Fraction) -> None:
        base = stream.time_base or Fraction(1, av.time_base)
        self._written = written
        self._is_text = stream.type == "subtitle"
        self._offset, self._end = round(start / base), round((start + seconds) / base)
        self._last: int | None = None

    def is_over(self, packet: AnyPacket) -> bool:
        return packet.pts is not None and packet.pts >= self._end

    def take(self, packet: AnyPacket) -> bool:
        """Moves a packet onto the new clock; False where it does not belong there.

        One that began before the picture begins with it: FFmpeg reads data before second 0 at another time.
        """
        assert packet.pts is not None
        begin = packet.pts - self._offset
        end = begin + (packet.duration or 0)
        if (begin < 0 and end <= 0) or self._is_pause(packet):
            return False
        begin = max(begin, 0)
        if self._last is not None and begin <= self._last:
            return False
        self._last = packet.pts = packet.dts = begin
        packet.duration = min(end, self._end - self._offset) - begin
        packet.stream = self._written
        return True

    def _is_pause(self, packet: AnyPacket) -> bool:
        return self._is_text and bytes(packet) == _NO_TEXT


def _fits_mp4(stream: Stream) -> bool:
    """Whether FFmpeg puts such a track into an MP4 and finds it there again; only a trial tells."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp4") as trial:
            sample: AnyPacket = av.Packet(_NO_TEXT)
            sample.stream = trial.add_stream_from_template(stream)
            sample.pts = sample.dts = 0
            sample.duration = 1
            trial.mux(sample)
        file.seek(0)
        with av.open(file) as written:
            return [(each.type, each.name) for each in written.streams] == [(stream.type, stream.name)]
    except (ValueError, *_READ_ERRORS) as fault:
        log.debug("%s does not fit into an MP4: %s", _name(stream), fault)
        return False


def _name(stream: Stream) -> str:
    """What a person knows a track by: the recorder's own name for it, and what kind it is."""
    words = [stream.metadata.get("handler_name", "").strip(), stream.name or ""]
    named = " ".join(word for word in words if word)
    return f"{stream.type} track {stream.index}{f' ({named})' if named else ''}"
