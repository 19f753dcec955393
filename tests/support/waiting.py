"""Waiting for what has to become so: how soon is not asked, a busy machine is no failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONG_S = 120.0
_LOOK_S = 0.02


def until(condition: Callable[[], bool], what: str, deadline_s: float = LONG_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not so within {deadline_s:.0f} s: {what}"
        time.sleep(_LOOK_S)


def left_behind(before: set[threading.Thread], seconds: float = 10) -> list[str]:
    """Names of threads that are new since ``before`` and do not end in time."""
    for thread in set(threading.enumerate()) - before:
        thread.join(seconds)
    return [thread.name for thread in set(threading.enumerate()) - before]
