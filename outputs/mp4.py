"""Mp4Output: the annotated pictures as an MP4 that survives a kill while recording and plays everywhere after.

While recording, ``out.part.mp4`` grows by whole fragments of a quarter second, each on its own playable; nothing
waits in an encoder (see ``encoder``) or in a buffer. After the last frame it becomes a plain MP4 with its index in
front and what travels with the drive (sound, GPS tracks, when and where), which takes the target's name in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from io import FileIO
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result
from outputs.encoder import Encoder, VideoSettings, choose, usual_rate
from outputs.fragments import cut_to_whole_fragments
from outputs.i420 import even_size
from outputs.paths import Target, cure, reason
from outputs.picture_encoder import PictureEncoder
from outputs.remux import Belongings, remux
from outputs.tags import kept_tags

_RECORDING = {
    "movflags": "hybrid_fragmented+negative_cts_offsets",  # fragments until closed, a plain MP4 afterwards
    "frag_duration": "250000",  # µs
    "flush_packets": "1",  # else up to 256 KiB wait in FFmpeg's buffer, and a kill cuts a fragment in half
}
_FAULTS = (OSError, av.FFmpegError)


class Mp4Output:
    """Records ``Result.drawn()`` to ``path`` (.mp4); ``audio``: with the source's sound.

    size: of what is drawn, the source's where None; the encoder is chosen for it before there is a picture. Pictures of
    another size than the first are scaled to it. Raises UsageError for settings no codec knows.
    """

    name = "mp4"
    wants_drawn = True

    def __init__(
        self, path: Path, settings: VideoSettings, audio: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._target = Target(path)
        self._size = size
        self._settings = settings
        self._audio = audio
        self._source: SourceInfo | None = None
        self._encoder: Encoder | None = None
        self._claim: FileIO | None = None  # held from open to the end, whatever that is
        self._recording: _Recording | None = None

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Chooses the encoder and clears the way; one source. Raises OutputError."""
        (self._source,) = sources
        size = self._size or even_size(self._source.width, self._source.height)
        self._encoder = choose(self._settings, size, usual_rate(self._source.rate))
        self._claim = self._target.claim()

    def write(self, result: Result) -> None:
        """Encodes and writes one picture; what is whole is on the disk when this returns. Raises OutputError."""
        assert self._source is not None
        assert self._encoder is not None
        picture = result.drawn()
        try:
            if self._recording is None:
                self._recording = _Recording(self._target.part, self._encoder, usual_rate(self._source.rate), picture)
            self._recording.write(picture, result.frame.pts)
        except _FAULTS as fault:
            raise self._give_up(fault) from fault

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the file is finished)
        """Finishes the file under its own name, also when the run ended early; no frames, no file.

        After a fault of this output itself, and when finishing fails, the recording stays as ``out.part.mp4``.
        Raises OutputError.
        """
        if self._claim is None:
            return
        with self._claim:
            try:
                if self._recording is None:
                    self._target.part.unlink()
                    return
                self._recording.finish()
            except _FAULTS as fault:
                raise self._give_up(fault) from fault
            self._publish(self._recording.first)

    def _publish(self, first: Fraction) -> None:
        assert self._source is not None
        source = self._source
        sound = source.audio if self._audio else None
        belongings = Belongings(sound, source.telemetry, kept_tags(source.tags, source.skipped + first), source.start)
        try:
            remux(self._target.part, self._target.finishing, first, belongings)
            self._target.publish(self._target.finishing)
            self._target.part.unlink()
        except _FAULTS as fault:
            raise self._fault(fault) from fault
        finally:
            with suppress(OSError):  # it is not there any more, or the fault above is the one to tell
                self._target.finishing.unlink()

    def _give_up(self, fault: Exception) -> OutputError:
        """Closes the recording so that what is whole of it plays, and says where it is."""
        with suppress(*_FAULTS):  # the first fault is the one to tell
            if self._recording is not None:
                self._recording.abandon()
            if not cut_to_whole_fragments(self._target.part):
                self._target.part.unlink()
        if self._claim is not None:
            self._claim.close()
        self._claim = self._recording = self._encoder = None
        return self._fault(fault)

    def _fault(self, fault: Exception) -> OutputError:
        part = self._target.part
        kept = f"; what was recorded is kept as {part}" if part.exists() else ""
        return OutputError(f"cannot write {self._target.path}: {reason(fault)}{kept}", cure(fault))


class _Recording:
    """The growing file: an encoder and FFmpeg's MP4 writer, kill-safe. Everything raises OSError or av.FFmpegError."""

    def __init__(self, path: Path, encoder: Encoder, rate: Fraction, picture: Picture) -> None:
        self._container: OutputContainer = av.open(f"file:{path}", "w", format="mp4", container_options=_RECORDING)
        stream = self._container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        self._pictures = PictureEncoder(stream, encoder, rate, picture)

    @property
    def first(self) -> Fraction:
        """Seconds of the first frame."""
        return self._pictures.first

    def write(self, picture: Picture, pts: Fraction) -> None:
        """One picture at ``pts`` seconds."""
        self._container.mux(self._pictures.packets(picture, pts))

    def finish(self) -> None:
        """Writes what is left; then the part is a plain MP4."""
        self._container.mux(self._pictures.rest())
        self._container.close()

    def abandon(self) -> None:
        """Closes after a fault, whatever state the file is in."""
        with suppress(*_FAULTS):  # the trailer cannot be written either
            self._container.close()
