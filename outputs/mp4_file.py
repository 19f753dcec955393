"""Mp4File: one MP4 on its way, from the claimed part to the file that has its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from io import FileIO
from pathlib import Path

from contracts.errors import OutputError
from contracts.picture import Picture
from outputs.encoder import Encoder
from outputs.fragments import cut_to_whole_fragments
from outputs.paths import Target, cure, reason
from outputs.recording import FAULTS, Recording
from outputs.remux import Belongings, remux


class Mp4File:
    """``out.part.mp4`` while it grows, ``out.mp4`` once it is published. Always ``release``.

    What is not said to raise OutputError raises OSError or av.FFmpegError (``recording.FAULTS``); ``fault`` makes an
    OutputError of those.
    """

    def __init__(self, target: Target) -> None:
        """Claims the part. Raises OutputError."""
        self.target = target
        self._claim: FileIO = target.claim()  # held to the end, whatever that is
        self.recording: Recording | None = None

    def begin(
        self,
        encoder: Encoder,
        rate: Fraction,
        picture: Picture,
        tags: Mapping[str, str] | None = None,
        *,
        touch: Callable[[Path], None] = lambda _: None,
    ) -> Recording:
        """Opens the part for pictures like the first one. touch: what is done to it once it has a header."""
        self.recording = Recording(self.target.part, encoder, rate, picture, tags, touch=touch)
        return self.recording

    def complete(self) -> bool:
        """Closes the recording: the part is a plain MP4 then. False where there are no frames, and no part any more."""
        if self.recording is None:
            self.target.part.unlink()
            return False
        self.recording.finish()
        return True

    def cut(self) -> bool:
        """After a fault: cuts the part back to what plays. False where nothing does, and no part is left."""
        if self.recording is not None:
            self.recording.abandon()
        if cut_to_whole_fragments(self.target.part):
            return True
        self.target.part.unlink()
        return False

    def publish(self, touch: Callable[[Path], None] = lambda _: None) -> None:
        """The part takes the name, in one step, as it is. touch: what is done to the whole file before."""
        touch(self.target.part)
        self.target.publish(self.target.part)

    def publish_copy(
        self, first: Fraction, belongings: Belongings, touch: Callable[[Path], None] = lambda _: None
    ) -> None:
        """A copy takes the name, index in front and with what belongs to it; then the part goes (see ``remux``)."""
        finishing = self.target.finishing
        try:
            remux(self.target.part, finishing, first, belongings)
            touch(finishing)
            self.target.publish(finishing)
            self.target.part.unlink()
        finally:
            with suppress(OSError):  # it is not there any more, or the fault above is the one to tell
                finishing.unlink()

    def give_up(self, fault: Exception) -> OutputError:
        """Cuts the part back to what plays, releases it, and says where it is."""
        with suppress(*FAULTS):  # the first fault is the one to tell
            self.cut()
        self.release()
        return self.fault(fault)

    def fault(self, fault: Exception) -> OutputError:
        """What to raise when writing failed."""
        part = self.target.part
        kept = f"; what was recorded is kept as {part}" if part.exists() else ""
        return OutputError(f"cannot write {self.target.path}: {reason(fault)}{kept}", cure(fault))

    def release(self) -> None:
        """Gives the part free; may be called twice."""
        self._claim.close()
