"""VideoFileSource: a recorded video as a source of frames."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from contracts.errors import SourceError, UsageError
from contracts.frame import Frame, SourceInfo
from contracts.protocols import Losses
from sources.decoding import Decoded
from sources.shaping import Shaper
from sources.standard_input import StandardInput
from sources.timeline import Timeline
from sources.videofile import CURE_FOR_PIPES, VideoFile

log = logging.getLogger(__name__)


class VideoFileSource:
    """Gives every decodable frame of a video file, upright, in order, on a clock that starts at 0 and always rises.

    path: any file FFmpeg reads.
    start: seconds after the file's first frame; the first frame at or after that is given out first.
    loop: starts over when the file ends; time and index go on, without sound and telemetry.
    piped: where the bytes come from instead of ``path``, which is then only a name; not with ``loop``, without sound
    and telemetry.

    Frames that damage has cost are counted in ``losses`` and leave gaps in ``Frame.index``. Raises SourceError when
    nothing can be read, UsageError for a start that is no time.
    """

    def __init__(
        self, path: Path, *, start: float = 0.0, loop: bool = False, piped: StandardInput | None = None
    ) -> None:
        if not math.isfinite(start) or start < 0:
            raise UsageError(f"cannot start at {start} s", "give 0 or more seconds, or h:mm:ss")
        self._path, self._start, self._loop, self._piped = path, Fraction(str(start)), loop, piped
        self._stopping = threading.Event()
        self._using = threading.Lock()
        """Held by the thread that works on the open file: PyAV's objects bear one thread at a time."""
        self._lost = 0
        self._given, self._gaps, self._index = 0, 0, -1
        self._warned: set[str] = set()
        if piped is not None:
            piped.stopped = self._stopping.is_set
        self._file = VideoFile(path, stopped=self._stopping.is_set, piped=piped)
        with ExitStack() as undo:
            undo.callback(self._file.close)
            self._next_decoded: Decoded | None = self._first_of_pass()
            self._shaper = Shaper(self._next_decoded.frame)
            self._timeline = Timeline(self._file.time_base, self._file.rate)
            self._info = self._make_info(self._next_decoded)
            undo.pop_all()

    @property
    def info(self) -> SourceInfo:
        """What is known about the file."""
        return self._info

    @property
    def losses(self) -> Losses:
        """Frames lost to damage so far."""
        return Losses(lost=self._lost)

    def frames(self) -> Iterator[Frame]:
        """The frames, once. Raises SourceError when a looping file cannot be read again."""
        while (frame := self._next_frame()) is not None:
            yield frame

    def close(self) -> None:
        """Ends ``frames()`` after the packet it is decoding; the file is closed by whoever works on it."""
        self._stopping.set()
        if self._using.acquire(blocking=False):
            try:
                self._file.close()
            finally:
                self._using.release()

    def _next_frame(self) -> Frame | None:
        with self._using:
            decoded = None if self._stopping.is_set() else self._advance()
            frame = self._frame(decoded) if decoded is not None else None
            if frame is None or self._stopping.is_set():
                self._stopping.set()
                self._file.close()
                return None
        if self._stopping.is_set():  # close() came between: it found the lock taken and left the file to this thread
            self.close()
            return None
        return frame

    def _advance(self) -> Decoded | None:
        """The next frame of the file, or the first of its next pass; None at the end."""
        decoded, self._next_decoded = self._next_decoded or self._file.next(), None
        if decoded is not None or self._stopping.is_set():
            return decoded
        self._note_lost(self._file.lost_at_end)
        return self._start_over() if self._loop else None

    def _start_over(self) -> Decoded | None:
        self._timeline.start_over()
        try:
            self._file.rewind(self._first_stamp)
            return self._first_of_pass()
        except SourceError:
            if self._stopping.is_set():
                return None  # not the file's fault
            raise

    def _first_of_pass(self) -> Decoded:
        """The first frame to be given out; what was lost on the way to ``start`` does not count."""
        first = self._file.next()
        if first is None:
            cure = "copy or record it again" if self._piped is None else CURE_FOR_PIPES
            raise SourceError(f"{self._path}: not one frame can be decoded", cure)
        self._first_stamp = first.frame.pts
        if not self._start:
            return first
        decoded = self._file.skip(first, self._start)
        if decoded is None:
            length = self._file.duration
            known = length is not None and length <= self._start  # else what lies there cannot be decoded
            cure = f"it is {float(length):.2f} s long" if length and known else "choose an earlier start"
            raise SourceError(f"{self._path} gives no frame from {float(self._start):g} s on", cure)
        return Decoded(decoded.frame)

    def _frame(self, decoded: Decoded) -> Frame:
        arrival = time.monotonic_ns()
        self._note_lost(decoded.gap)
        if not self._shaper.fits(decoded.frame):
            self._warn_once("changes its size: pictures are scaled to the first one's")
        self._gaps += decoded.gap if self._given else 0
        self._index = max(self._index + 1, self._given + self._gaps)
        self._given += 1
        return Frame(
            picture=self._shaper.picture(decoded.frame),
            index=self._index,
            pts=self._timeline.place(decoded.frame.pts, decoded.frame.duration, decoded.gap),
            arrival=arrival,
            source=self._info,
        )

    def _note_lost(self, count: int) -> None:
        self._lost = max(0, self._lost + count)  # one lost before the start may come late
        if count > 0:
            self._warn_once("is damaged or cut off: what can be decoded is kept, the rest is counted as lost")

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s %s", self._path.name, what)

    def _make_info(self, first: Decoded) -> SourceInfo:
        file = self._file
        if first.frame.pts is not None:
            start = first.frame.pts * file.time_base
        else:
            start = math.ceil(self._start * file.rate) / file.rate if file.rate else Fraction(0)
        return SourceInfo(
            id=self._path.stem,
            uri=str(self._path) if self._piped is None else "-",
            width=self._shaper.width,
            height=self._shaper.height,
            rate=file.rate,
            time_base=file.time_base,
            start=start,
            rotation=self._shaper.orientation.rotation,
            mirrored=self._shaper.orientation.mirrored,
            frames=self._expected_frames(),
            audio=self._path if file.has_audio and self._read_once else None,
            telemetry=self._path if file.has_telemetry and self._read_once else None,
            tags=file.tags,
            skipped=self._skipped(first),
        )

    @property
    def _read_once(self) -> bool:
        """Whether what lies beside the picture can be had from the file, and belongs to all frames."""
        return not self._loop and self._piped is None

    def _skipped(self, first: Decoded) -> Fraction:
        """Seconds from the file's first frame to the first one given out."""
        if first.frame.pts is None or self._first_stamp is None:
            return self._start
        return (first.frame.pts - self._first_stamp) * self._file.time_base

    def _expected_frames(self) -> int | None:
        """How many frames will be given out, for progress; a part of the file is taken as evenly filled."""
        total, length = self._file.frames, self._file.duration
        if self._loop or total is None:
            return None
        share = max(0.0, 1 - float(self._start / length)) if length else 1.0
        return max(1, round(total * share))
