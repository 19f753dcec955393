"""Runs on a live source whose course a test has written down, through the command line's own door."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

import pytest

from contracts import backoff
from sources import open as opening
from sources.live.source import Identity, LiveSource
from tests.support.connections import Script, Step

URI = "rtsp://anna:geheim77@camera/live?token=geheim78"
SHOWN = "rtsp://camera/live"


def running() -> None:
    """A step: waits until the run's networks are loaded and it takes pictures; what came before is none of its own."""
    deadline = time.monotonic() + 20
    while (
        not any(thread.name == "roadstream-reader" for thread in threading.enumerate()) and time.monotonic() < deadline
    ):
        time.sleep(0.01)


def paced(count: int, seconds: float = 0.02) -> list[Step]:
    """Pictures, each with a moment after it, so that none is left out."""
    return list(itertools.chain.from_iterable((number, seconds) for number in range(count)))


def scripted(monkeypatch: pytest.MonkeyPatch, courses: Sequence[Sequence[Step] | Exception]) -> Script:
    """From here on ``URI`` is a source that goes through these courses, with hardly a wait between tries."""
    monkeypatch.setattr(backoff, "_FIRST_S", 0.02)
    monkeypatch.setattr(backoff, "_MOST_S", 0.04)
    script = Script(courses, sizes=[(64, 48)])
    kind = opening._Kind(lambda asked: LiveSource(Identity("cam", SHOWN, SHOWN), script, asked.patience), is_live=True)
    monkeypatch.setitem(opening._KINDS, "rtsp", kind)
    return script
