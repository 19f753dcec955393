"""Mp4Output: the annotated pictures as an MP4 that survives a kill while recording and plays everywhere after.

While recording, ``out.part.mp4`` grows by whole fragments of a quarter second, each on its own playable; nothing
waits in an encoder (see ``encoder``) or in a buffer. After the last frame it becomes a plain MP4 with its index in
front and what travels with the drive (sound, GPS tracks, when and where), which takes the target's name in one step.
That is a copy; where a disk has no room for it, and there is no sound or track to be lost, the part takes the name.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.result import Result
from outputs.encoder import Encoder, VideoSettings, choose, usual_rate
from outputs.i420 import even_size
from outputs.mp4_file import Mp4File
from outputs.paths import Target, is_full
from outputs.recording import FAULTS, Recording
from outputs.remux import Belongings
from outputs.tags import kept_tags

log = logging.getLogger(__name__)


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
        self._file: Mp4File | None = None

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Chooses the encoder and clears the way; one source. Raises OutputError."""
        (self._source,) = sources
        size = self._size or even_size(self._source.width, self._source.height)
        self._encoder = choose(self._settings, size, usual_rate(self._source.rate))
        self._file = Mp4File(self._target)

    def write(self, result: Result) -> None:
        """Encodes and writes one picture; what is whole is on the disk when this returns. Raises OutputError."""
        assert self._source is not None
        assert self._encoder is not None
        assert self._file is not None
        picture = result.drawn()
        try:
            recording = self._file.recording
            if recording is None:
                recording = self._file.begin(self._encoder, usual_rate(self._source.rate), picture)
            recording.write(picture, result.frame.pts)
        except FAULTS as fault:
            raise self._give_up(self._file, fault) from fault

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the file is finished)
        """Finishes the file under its own name, also when the run ended early; no frames, no file.

        After a fault of this output itself, and when finishing fails, the recording stays as ``out.part.mp4``.
        Raises OutputError.
        """
        file = self._file
        if file is None:
            return
        try:
            if not file.complete():
                file.release()
                return
        except FAULTS as fault:
            raise self._give_up(file, fault) from fault
        assert file.recording is not None
        try:
            self._publish(file, file.recording)
        except FAULTS as fault:
            raise file.fault(fault) from fault
        finally:
            file.release()

    def _publish(self, file: Mp4File, recording: Recording) -> None:
        belongings = self._belongings(recording.first)
        try:
            file.publish_copy(recording.first, belongings)
        except FAULTS as fault:
            if not is_full(fault) or belongings.sound or belongings.telemetry:
                raise
            file.publish()
            without = ", without its tags" if belongings.tags else ""
            words = "%s: the disk has no room for the copy that finishes it; it is whole, its index at the end%s"
            log.warning(words, self._target.path, without)

    def _belongings(self, first: Fraction) -> Belongings:
        assert self._source is not None
        source = self._source
        sound = source.audio if self._audio else None
        return Belongings(sound, source.telemetry, kept_tags(source.tags, source.skipped + first), source.start)

    def _give_up(self, file: Mp4File, fault: Exception) -> OutputError:
        self._file = None
        return file.give_up(fault)
