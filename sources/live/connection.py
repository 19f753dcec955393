"""What a kind of live source has to bring: how it is opened, what it receives, and why it ended.

A connection is used by one thread, which may wait in it for as long as a library likes: whoever wants pictures waits
for that thread and never for the connection (``reader``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias

from av.video.frame import VideoFrame

from contracts.errors import SourceError
from contracts.live import Patience
from contracts.space import Depth, Intrinsics, Pose

Again: TypeAlias = Literal["always", "once live", "never"]
"""Whether trying again may help. "once live": only where there were pictures before; else it is a typing mistake."""


class Fault(SourceError):  # noqa: N818  # what happened to a stream, and perhaps no error at the end
    """Why a stream could not be opened, or ended without saying that it is complete."""

    def __init__(self, message: str, cure: str = "", *, again: Again = "always") -> None:
        super().__init__(message, cure)
        self.again = again


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to open a stream.

    start: seconds after its first picture at which a recorded stream shall begin. position: seconds on the stream's
    own clock of the last picture of a recorded stream that was given out before, None where there was none; pictures
    up to it may come again and are left out by whoever asked. stopped: whether nobody waits any more; ask it often.
    more_time: what opening turns out to need beyond ``patience.open_s``, in seconds.
    """

    patience: Patience
    start: Fraction = Fraction(0)
    position: Fraction | None = None
    stopped: Callable[[], bool] = lambda: False
    more_time: Callable[[float], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """One decoded picture. ``frame.pts`` and ``frame.duration`` are ticks of the connection's ``time_base``, or None.

    arrival: monotonic ns. intrinsics: of the picture as stored.
    """

    frame: VideoFrame
    arrival: int
    intrinsics: Intrinsics | None = None
    pose: Pose | None = None
    depth: Depth | None = None


class Connection(Protocol):
    """A stream that is open.

    time_base: seconds per tick. rate: nominal pictures per second. live: whether pictures come when they come; else
    every one is wanted, and the connection is asked for more only when the last ones were taken. frames: how many
    will come, for progress. borrowed: whether pictures lie in memory that is gone once the connection is closed. lost:
    pictures that could not be decoded so far.
    """

    @property
    def time_base(self) -> Fraction: ...  # noqa: D102
    @property
    def rate(self) -> Fraction | None: ...  # noqa: D102
    @property
    def live(self) -> bool: ...  # noqa: D102
    @property
    def frames(self) -> int | None: ...  # noqa: D102
    @property
    def borrowed(self) -> bool: ...  # noqa: D102
    @property
    def lost(self) -> int: ...  # noqa: D102

    def receive(self) -> Sequence[Received] | None:
        """What comes out next, perhaps nothing; None: the stream has said that it is complete.

        Raises Fault when it is lost. Other exceptions end it, too, and are shown as they are.
        """

    def close(self) -> None:
        """Let go of everything; called once, by the thread that opened it."""


Opener: TypeAlias = Callable[[Attempt], Connection]
"""Opens a stream anew. Raises Fault, and UsageError for what this stream cannot do at all."""
