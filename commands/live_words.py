"""What is said of a source that comes and goes: on the progress line and in the summary."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from contracts.live import LiveState, LiveStatus
from contracts.text import clock, counted

_RECENT_S = 3.0


class RecentRate:
    """Frames per second lately: a mean over days would say little of now."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, now_s: float, frames: int) -> float | None:
        """frames: how many there have been so far. None where it is asked for the first time."""
        self._seen.append((now_s, frames))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - _RECENT_S:
            self._seen.popleft()
        then_s, before = self._seen[0]
        return (frames - before) / (now_s - then_s) if now_s > then_s else None

    def forget(self) -> None:
        """From here on another rate begins."""
        self._seen.clear()


def state_text(status: LiveStatus, now_ns: int | None = None) -> str:
    """``lost for 12 s, next try in 4 s (3 tries): connection refused``. now_ns: monotonic, None: now."""
    now_ns = time.monotonic_ns() if now_ns is None else now_ns
    since_ns = status.since_ns if status.last_ns is None else status.last_ns
    gone = clock((now_ns - since_ns) / 1e9)
    match status.state:
        case LiveState.LOST:
            next_ns = now_ns if status.next_try_ns is None else status.next_try_ns
            tries = f" ({counted(status.attempt, 'try', 'tries')})" if status.attempt else ""
            return f"lost for {gone}, next try in {clock((next_ns - now_ns) / 1e9)}{tries}{_why(status.reason)}"
        case LiveState.CONNECTING if status.last_ns is not None:
            return f"lost for {gone}, connecting (try {status.attempt}){_why(status.reason)}"
        case LiveState.CONNECTING:
            return f"connecting for {gone}{_why(status.reason)}"
        case LiveState.STALLED:
            return f"stalled for {gone}"
        case LiveState.ENDED:
            return f"ended{_why(status.reason)}"
    return "live"


def source_text(facts: dict[str, Any]) -> str:
    """``first picture after 0.8 s · 2 reconnects, 41 s without pictures · ended: complete``, of the statistics."""
    words = []
    if facts["first_frame_ms"] is not None:
        words.append(f"first picture after {facts['first_frame_ms'] / 1e3:.1f} s")
    again = [counted(facts["reconnects"], "reconnect")] if facts["reconnects"] else []
    again += [f"{clock(facts['outages_s'])} without pictures"] if facts["outages_s"] else []
    if again:
        words.append(f"{', '.join(again)}{_last(facts)}")
    words.append(f"{facts['state']}{_why(facts['reason'])}")
    return " · ".join(words)


def _last(facts: dict[str, Any]) -> str:
    """What began the last outage, where the end does not say it already."""
    why = facts["last_outage"]
    return f" (last: {why})" if why and why not in facts["reason"] else ""


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""
