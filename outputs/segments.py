"""SegmentedMp4Output: a recording that goes on in a new file whenever one is full, for days and weeks.

Each segment is recorded as Mp4Output does, begins with a keyframe at 0, and is finished by a thread beside the run.
That of a live source is closed where it lies: its index comes behind its pictures, nothing is copied. Of a recorded
source, what belongs to the segment's time (sound, GPS tracks, when and where) is copied in, as into a whole recording.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.result import Result
from contracts.segments import SegmentLimit, size_text
from outputs.encoder import Encoder, VideoSettings, choose, usual_rate
from outputs.i420 import even_size
from outputs.mp4_file import Mp4File
from outputs.paths import Target
from outputs.recording import FAULTS, Recording
from outputs.remux import Belongings
from outputs.segment_budget import Budget
from outputs.segment_names import SegmentNames, mark
from outputs.tags import kept_tags
from outputs.worker import Worker

log = logging.getLogger(__name__)


class SegmentedMp4Output:
    """Records ``Result.drawn()`` to ``out-000001-20261127T190501Z.mp4`` and so on, where ``path`` is ``out.mp4``.

    limit: of one segment. keep: bytes that all of them may take; the oldest go (see ``segment_budget``). audio, size:
    as for Mp4Output. A picture of another size begins a new segment. Raises UsageError for settings no codec knows.
    """

    name = "mp4"
    wants_drawn = True

    def __init__(
        self,
        path: Path,
        settings: VideoSettings,
        limit: SegmentLimit,
        *,
        keep: int | None = None,
        audio: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._names = SegmentNames(path)
        self._budget = Budget(self._names, keep)
        self._settings, self._limit = settings, limit
        self._audio, self._size = audio, size
        self._source: SourceInfo | None = None
        self._encoder: Encoder | None = None
        self._worker: Worker | None = None
        self._file: Mp4File | None = None
        self._said: set[str] = set()
        self._count = self._bytes = self._size_of_last = 0
        self._first: Path | None = None
        self._last: Path | None = None

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Chooses the encoder and locks the series; one source. Raises OutputError."""
        (self._source,) = sources
        self._size = self._size or even_size(self._source.width, self._source.height)
        self._encoder = choose(self._settings, self._size, usual_rate(self._source.rate))
        self._names.open()
        self._worker = Worker("segments")
        self._worker.start()
        self._worker.do(self._look)

    def write(self, result: Result) -> None:
        """Encodes and writes one picture; what is whole is on the disk when this returns. Raises OutputError."""
        assert self._worker is not None
        self._worker.check()
        picture = result.drawn()
        while True:
            try:
                self._put(picture, result.frame)
            except FAULTS as fault:
                self._survive(fault)
            else:
                return

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, files are finished)
        """Finishes every segment. After a fault of this output itself its part stays. Raises OutputError."""
        if self._worker is None:
            return
        if self._file is not None:
            self._hand_over(self._file)
        worker, self._worker = self._worker, None
        try:
            worker.end()
        finally:
            self._names.close()

    def counts(self) -> Mapping[str, Any]:
        """Segments finished in this run and their bytes; segments deleted; names of the first and last one there."""
        first = self._budget.oldest or (self._last if self._budget.deleted else self._first)
        return {
            "segments": self._count,
            "bytes": self._bytes,
            "deleted": self._budget.deleted,
            "first": str(first) if first is not None else None,
            "last": str(self._last) if self._last is not None else None,
        }

    # -- the thread that records ------------------------------------------------------------------------------------

    def _put(self, picture: Picture, frame: Frame) -> None:
        file = self._file
        if file is not None and file.recording is not None and self._is_over(file.recording, picture, frame):
            self._hand_over(file)
            file = None
        recording = file.recording if file is not None else None
        if recording is None:
            recording = self._begin(picture, frame)
        recording.write(picture, frame.pts)
        self._budget.grow(recording.bytes + recording.largest)

    def _begin(self, picture: Picture, frame: Frame) -> Recording:
        assert self._source is not None
        assert self._encoder is not None
        rate, size = usual_rate(self._source.rate), even_size(picture.width, picture.height)
        if size != self._size:
            self._encoder, self._size = choose(self._settings, size, rate), size
        when = self._when(frame)
        self._file = self._claimed(self._names.next(when))
        tags = {"creation_time": _iso(when)} if when is not None and self._source.live else None
        return self._file.begin(self._encoder, rate, picture, tags)

    def _claimed(self, target: Target) -> Mp4File:
        """Raises OutputError. A disk may have no room for another file, however small, before its bytes are used up."""
        while True:
            try:
                return Mp4File(target)
            except OutputError as fault:
                if not self._budget.frees(fault):
                    raise

    def _is_over(self, recording: Recording, picture: Picture, frame: Frame) -> bool:
        """Whether a new segment begins with this picture."""
        if (size := even_size(picture.width, picture.height)) != recording.size:
            self._say_once("the picture's size changed to %d×%d; a new segment begins", *size)
            return True
        if self._limit.seconds is not None and recording.until(frame.pts) >= self._limit.seconds:
            return True
        with_next = recording.bytes + 2 * recording.largest
        if self._limit.bytes is not None and with_next > self._limit.bytes:
            return True
        if self._budget.most is not None and with_next > self._budget.most:
            words = "segments end at %s, half of what is kept, before they reach %s"
            self._say_once(words, size_text(self._budget.most), self._limit)
            return True
        return False

    def _hand_over(self, file: Mp4File, whole: bool = True) -> None:
        """To the thread that finishes; waits where that is two segments behind."""
        assert self._worker is not None
        size = file.recording.bytes if file.recording is not None else 0
        self._file = None
        self._budget.hand_over(size)
        self._worker.do(partial(self._finish, file, size, whole))

    def _survive(self, fault: Exception) -> None:
        """A full disk where older segments could go: what is whole is kept, a new one begins. Else OutputError."""
        file, self._file = self._file, None
        assert file is not None
        if not self._budget.frees(fault):
            raise file.give_up(fault) from fault
        self._hand_over(file, whole=False)

    def _say_once(self, words: str, *values: object) -> None:
        if words not in self._said:
            self._said.add(words)
            log.warning(words, *values)

    # -- the thread that finishes -----------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            self._names.recover()
        except OSError as fault:
            log.warning("what an earlier run left beside %s cannot be finished: %s", self._names.path, fault)
        self._budget.settle()

    def _finish(self, file: Mp4File, size: int, whole: bool) -> None:
        """Closes one segment and gives it its name. whole: its recording had no fault. Raises OutputError."""
        try:
            if self._close(file, whole):
                self._publish(file)
                self._count += 1
                self._bytes += self._size_of_last
                self._first, self._last = self._first or file.target.path, file.target.path
        finally:
            file.release()
            self._budget.settle(size)

    def _close(self, file: Mp4File, whole: bool) -> bool:
        """False where there is nothing that plays."""
        try:
            return file.complete() if whole else file.cut()
        except FAULTS as fault:
            if not self._budget.frees(fault):
                raise file.give_up(fault) from fault
        try:
            return file.cut()
        except FAULTS as fault:
            raise file.fault(fault) from fault

    def _publish(self, file: Mp4File) -> None:
        assert file.recording is not None
        belongings = self._belongings(file.recording.first)
        while True:
            try:
                if belongings is None:
                    file.publish(self._mark)
                else:
                    file.publish_copy(Fraction(0), belongings, self._mark)
            except FAULTS as fault:
                if not self._budget.frees(fault):
                    raise file.fault(fault) from fault
            else:
                return

    def _mark(self, whole: Path) -> None:
        """Looks at the size before the file has its name: from then on it may be moved away at any moment."""
        mark(whole)
        self._size_of_last = whole.stat().st_size

    # -- where and when a segment is --------------------------------------------------------------------------------

    def _belongings(self, first: Fraction) -> Belongings | None:
        """What a recorded source has for a segment that begins ``first`` seconds behind its start; None: nothing."""
        assert self._source is not None
        source = self._source
        tags = kept_tags(source.tags, source.skipped + first)
        sound = source.audio if self._audio else None
        if source.live or not (sound or source.telemetry or tags):
            return None
        return Belongings(sound, source.telemetry, tags, source.start + first)

    def _when(self, frame: Frame) -> datetime | None:
        """UTC of a frame: by the clock on the wall when it came, or by what its recorder noted."""
        assert self._source is not None
        source = self._source
        if source.live:
            return datetime.now(UTC) - timedelta(microseconds=(time.monotonic_ns() - frame.arrival) / 1000)
        noted = kept_tags(source.tags, source.skipped + frame.pts).get("creation_time", "")
        try:
            return datetime.fromisoformat(noted).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def _iso(when: datetime) -> str:
    """As FFmpeg writes and reads it."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
