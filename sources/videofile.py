"""VideoFile: one pass through a video file, from opening it (with errors for people) to the last decodable frame."""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from contracts.errors import SourceError
from sources.decoding import Decoded, PacketDecoder
from sources.files import check_readable
from sources.standard_input import StandardInput

_LISTS_EVERY_PACKET = ("mov", "avi")
"""Containers whose index lists every packet, so that packets after a cut can be counted."""
_STEPS_BACK_S = (0, 5)
"""Seconds before the wanted position at which seeking is tried before the file is read from its beginning."""
CURE_FOR_PIPES = "look at what is piped in; an MP4 with its index at the end has to be named as a file"
_ONLY_FILES = {"protocol_whitelist": "file"}
"""So that playlists reach no network."""
_HIGHEST_RATE = 1000
"""Frames per second above which a stated rate is a time base in disguise."""


class VideoFile:
    """A video file open for one pass. Not thread-safe.

    careful: without frame threads, for files known to be damaged.
    stopped: asked between packets; ``next`` gives None soon after it says so.
    piped: where the bytes come from instead of ``path``, which is then only a name; such a file cannot be rewound.
    Raises SourceError with the cure when there is no video to be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        careful: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        piped: StandardInput | None = None,
    ) -> None:
        self._path, self._piped = path, piped
        self._stopped = stopped
        self._put_back: Decoded | None = None
        self.lost_at_end = 0
        """Once ``next`` gave None: frames lost after the last one, with those the index lists and the file lacks."""
        self._open(careful)

    def _open(self, careful: bool) -> None:
        self._container = _open_container(self._path) if self._piped is None else _open_piped(self._piped)
        try:
            self._stream = _video_stream(self._container, self._path)
        except SourceError:
            self._container.close()
            raise
        self._closed = False
        self._put_back = None
        self._begin(careful)

    def _begin(self, careful: bool) -> None:
        self._decoder = PacketDecoder(self._stream.codec_context, careful=careful, stopped=self._stopped)
        self._frames = self._decoded()
        self._last_dts: int | None = None

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the time stamps of frames."""
        return self._stream.time_base or Fraction(1, av.time_base)

    @property
    def rate(self) -> Fraction | None:
        """Nominal frames per second: the container's average, in bare streams what the stream itself says."""
        bare = self._stream.start_time is None
        rates = [self._stream.average_rate, self._stream.guessed_rate]
        return next((rate for rate in (reversed(rates) if bare else rates) if rate and rate <= _HIGHEST_RATE), None)

    @property
    def duration(self) -> Fraction | None:
        """Seconds, where the container says."""
        if self._stream.duration:
            return self._stream.duration * self.time_base
        return Fraction(self._container.duration, av.time_base) if self._container.duration else None

    @property
    def frames(self) -> int | None:
        """How many frames the whole file should have; None where nobody knows."""
        if self._stream.frames and self._lists_every_packet:
            return len(self._stream.index_entries)
        return round(self.duration * self.rate) if self.duration and self.rate else None

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return bool(self._container.streams.audio)

    @property
    def has_telemetry(self) -> bool:
        """Whether there are data or subtitle streams."""
        return bool(self._container.streams.data or self._container.streams.subtitles)

    @property
    def tags(self) -> dict[str, str]:
        """What the recorder wrote about the recording; of the picture's own tags only when it was made."""
        own = {name: text for name, text in self._stream.metadata.items() if name == "creation_time"}
        return own | self._container.metadata

    @property
    def careful(self) -> bool:
        """Whether damage has been seen, and frame threads are off."""
        return self._decoder.careful

    def next(self) -> Decoded | None:
        """The next frame; None at the end, where damage ends the file, or when stopped."""
        decoded, self._put_back = self._put_back, None
        decoded = decoded or next(self._frames, None)
        if self._piped is not None:
            self._piped.check_interrupted()
        return decoded

    def rewind(self, first_stamp: int | None) -> None:
        """Back to the beginning; ``first_stamp``: ticks of the file's first frame, None where nobody knows.

        The decoder is kept where the container can seek: a fresh one takes fresh memory while frames of the old one
        are still looked at. Raises SourceError when the file cannot be opened again.
        """
        careful = self.careful
        if first_stamp is None or not self._sought(first_stamp, careful):
            self.close()
            self._open(careful)

    def _sought(self, stamp: int, careful: bool) -> bool:
        """Whether seeking really led to the frame at ``stamp``, which is then the next one."""
        try:
            self._container.seek(stamp, stream=self._stream)
        except av.FFmpegError:
            return False
        self._begin(careful)
        self._put_back = self.next()
        return self._put_back is not None and self._put_back.frame.pts == stamp

    def skip(self, first: Decoded, start: Fraction) -> Decoded | None:
        """From the file's ``first`` frame to the first one ``start`` seconds (> 0) or more after it; None: no such."""
        if first.frame.pts is not None:
            target = first.frame.pts + ceil(start / self.time_base)
            return self._first_from(target, self._decode_from_before(target) if self._piped is None else first)
        decoded: Decoded | None = first
        for _ in range(ceil(start * self.rate) if self.rate else 0):
            decoded = self.next()
        return decoded

    def close(self) -> None:
        """Closes the file and ends the decoder's threads; may be called twice. Nothing else may be asked after it."""
        if not self._closed:
            self._closed = True
            self._frames.close()
            self._container.close()
            del self._frames, self._decoder, self._stream, self._container  # the last references: frees them now

    def _first_from(self, target: int, decoded: Decoded | None) -> Decoded | None:
        """The first frame at ``target`` ticks or later, starting with ``decoded``."""
        while decoded is not None and decoded.frame.pts is not None and decoded.frame.pts < target:
            decoded = self.next()
        return decoded

    def _decode_from_before(self, target: int) -> Decoded | None:
        """Some frame at ``target`` ticks or earlier: by seeking, else the file's first."""
        for back in _STEPS_BACK_S:
            try:
                self._container.seek(target - ceil(back / self.time_base), stream=self._stream)
            except av.FFmpegError:
                break
            self._begin(self.careful)
            decoded = self.next()
            if decoded is not None and decoded.frame.pts is not None and decoded.frame.pts <= target:
                return decoded
        careful = self.careful
        self.close()
        self._open(careful)
        return self.next()

    def _decoded(self) -> Generator[Decoded, None, None]:
        """Every frame from here on. A fault of the container ends the file as a cut does."""
        stamped = not self._stamps_are_guesses
        try:
            for packet in self._container.demux(self._stream):
                if self._stopped():
                    return
                if packet.size == 0:
                    continue  # PyAV's mark for the end, or a sample without data: to a decoder both mean "drain"
                self._last_dts = packet.dts if packet.dts is not None else self._last_dts
                packet.pts = packet.pts if stamped else None
                yield from self._decoder.feed(packet)
        except (av.FFmpegError, OSError):
            pass  # what cannot be read is counted below
        frames, lost = self._decoder.finish()
        self.lost_at_end = lost + self._unread()
        yield from frames

    @property
    def _stamps_are_guesses(self) -> bool:
        """AVI numbers packets as they are decoded, not as they are shown: nothing is known where the two differ."""
        context = self._stream.codec_context
        return context.has_b_frames and self._container.format.name == "avi" and context.name != "mpeg4"

    @property
    def _lists_every_packet(self) -> bool:
        return self._container.format.name.startswith(_LISTS_EVERY_PACKET)

    def _unread(self) -> int:
        """How many packets the index lists after the last one that could be read."""
        if self._last_dts is None or not self._lists_every_packet:
            return 0
        index, unread = self._stream.index_entries, 0
        for position in range(len(index) - 1, -1, -1):
            if index[position].timestamp <= self._last_dts:
                break
            unread += not index[position].is_discard
        return unread


def _open_container(path: Path) -> InputContainer:
    check_readable(path, "video")
    try:
        # file: so that names with a colon are no protocols; and titles need not be UTF-8.
        return av.open(f"file:{path}", options=_ONLY_FILES, metadata_errors="replace")
    except av.FFmpegError as fault:
        message = f"{path} is not a video that can be read: {fault.strerror}"
        raise SourceError(message, _cure_for_unreadable(path)) from fault


def _open_piped(piped: StandardInput) -> InputContainer:
    try:
        container = cast("InputContainer", av.open(piped, options=_ONLY_FILES, metadata_errors="replace"))
    except av.FFmpegError as fault:
        piped.check_interrupted()
        if piped.empty:
            cure = "look at what the program before the pipe says"
            raise SourceError("standard input is empty (0 bytes)", cure) from fault
        message = f"standard input is not a video that can be read: {fault.strerror}"
        raise SourceError(message, CURE_FOR_PIPES) from fault
    if piped.interrupted:
        container.close()
        piped.check_interrupted()
    return container


def _cure_for_unreadable(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":  # ISO media (MP4, MOV): the index is written last
        return "the recording may have been cut off before it was finished: copy it again from the camera"
    return "name a video file, or copy it again if it should be one"


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")
    if container.format.name == "tty":  # FFmpeg draws text files as if they were terminals
        raise SourceError(f"{path} is text, not a video", "name a video file")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        found = "has sound but no video" if container.streams.audio else "has no video"
        raise SourceError(f"{path} {found}", "name a file with a video stream")
    if stream.codec_context is None:
        raise SourceError(f"{path}: no decoder for its video format", "convert it to H.264 with ffmpeg")
    return stream
