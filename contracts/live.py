"""Live sources: the states they go through, what an outage was, and how long anybody waits for them.

connecting ──first picture──▶ live ◀──pictures──▶ stalled
    ▲  │                       │                     │
    │  └──────fault──▶ lost ◀──┴──fault, time is up──┘
    └──────next try─────┘│
                         └─no more tries, or closed from any state─▶ ended
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Literal, Protocol, runtime_checkable


class LiveState(StrEnum):
    """Where a live source is."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    LOST = "lost"
    ENDED = "ended"


NEXT: dict[LiveState, frozenset[LiveState]] = {
    LiveState.CONNECTING: frozenset({LiveState.LIVE, LiveState.LOST, LiveState.ENDED}),
    LiveState.LIVE: frozenset({LiveState.STALLED, LiveState.LOST, LiveState.ENDED}),
    LiveState.STALLED: frozenset({LiveState.LIVE, LiveState.LOST, LiveState.ENDED}),
    LiveState.LOST: frozenset({LiveState.CONNECTING, LiveState.ENDED}),
    LiveState.ENDED: frozenset(),
}
"""Which state may follow which."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A live source at one moment.

    since_ns: monotonic, when it came into this state. reason: why it is lost or has ended, one line without secrets.
    attempt: tries since pictures came last, 0 before the first try. next_try_ns: monotonic, when it is lost.
    reconnects: how often pictures came again. first_frame_s: from the first try to the first picture. last_ns:
    monotonic, when the last frame given out had arrived, None before the first. outages_s: seconds without pictures in
    all outages, one that lasts included. why_lost: what began the last outage, one line without secrets.
    """

    state: LiveState
    since_ns: int
    reason: str = ""
    attempt: int = 0
    next_try_ns: int | None = None
    reconnects: int = 0
    first_frame_s: float | None = None
    last_ns: int | None = None
    outages_s: float = 0.0
    why_lost: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """Time without pictures.

    seconds: between the pictures before and after it. lost: frames that fell into it, by the nominal rate (0 where
    there is none), and that nobody counted as dropped or undecodable. reason: one line without secrets.
    """

    seconds: Fraction
    lost: int
    reason: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a live source is waited for, and how often it is tried again.

    open_s: to the first picture of every try. read_s: between two pictures. reconnect: tries that may fail in a row,
    None for ever, "auto": what suits the source (see ``tries``). transport: of RTSP. stopped: asked while a source
    opens, which only an open one can be told: whether nobody waits for it any more.
    """

    open_s: float = 10.0
    read_s: float = 5.0
    reconnect: int | Literal["auto"] | None = "auto"
    transport: Literal["tcp", "udp"] = "tcp"
    stopped: Callable[[], bool] = field(default=lambda: False, compare=False, repr=False)


@runtime_checkable
class HasStatus(Protocol):
    """A source that comes and goes."""

    @property
    def status(self) -> LiveStatus:
        """Where it is; safe to read from any thread."""
