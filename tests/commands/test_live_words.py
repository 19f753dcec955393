"""What is said of a source that comes and goes, and the line that says it."""

from __future__ import annotations

import io
import os
import pty
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from commands.live_words import RecentRate, source_text, state_text
from commands.progress import progress_text
from commands.status import TickingLine
from contracts.frame import SourceInfo
from contracts.live import LiveState, LiveStatus
from contracts.secrets import learn
from pipeline.figures import Progress
from tests.support.waiting import until

S = 10**9
NOW = 1000 * S


def status(state: LiveState, **facts: Any) -> LiveStatus:
    return LiveStatus(state, **{"since_ns": NOW - 2 * S, **facts})


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (status(LiveState.CONNECTING), "connecting for 2 s"),
        (
            status(LiveState.LOST, next_try_ns=NOW + S, reason="refused", attempt=1),
            "lost for 2 s, next try in 1 s (1 try): refused",
        ),
        (status(LiveState.LIVE, last_ns=NOW), "live"),
        (status(LiveState.STALLED, last_ns=NOW - 3 * S), "stalled for 3 s"),
        (
            status(LiveState.LOST, last_ns=NOW - 12 * S, next_try_ns=NOW, reason="gone"),
            "lost for 12 s, next try in 0 s: gone",
        ),
        (
            status(LiveState.LOST, last_ns=NOW - 75 * S, next_try_ns=NOW + 4 * S, reason="refused", attempt=3),
            "lost for 1:15 min, next try in 4 s (3 tries): refused",
        ),
        (
            status(LiveState.CONNECTING, last_ns=NOW - 12 * S, reason="refused", attempt=4),
            "lost for 12 s, connecting (try 4): refused",
        ),
        (status(LiveState.ENDED, reason="complete"), "ended: complete"),
    ],
)
def test_every_state_has_its_words(status: LiveStatus, text: str) -> None:
    assert state_text(status, NOW) == text


FACTS = {
    "state": "ended",
    "reason": "complete",
    "first_frame_ms": 812,
    "reconnects": 0,
    "outages_s": 0.0,
    "last_outage": "",
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "first picture after 0.8 s · ended: complete"),
        (
            {"reconnects": 2, "outages_s": 41.2, "last_outage": "gone"},
            "first picture after 0.8 s · 2 reconnects, 41 s without pictures (last: gone) · ended: complete",
        ),
        (
            {"outages_s": 41.2, "last_outage": "gone", "reason": "closed while it was lost: gone"},
            "first picture after 0.8 s · 41 s without pictures · ended: closed while it was lost: gone",
        ),
        ({"first_frame_ms": None, "state": "live", "reason": ""}, "live"),
    ],
)
def test_the_summary_of_a_source(changes: dict[str, Any], text: str) -> None:
    assert source_text({**FACTS, **changes}) == text


def test_the_line_of_a_source_that_is_not_there_says_so_instead_of_figures() -> None:
    info = SourceInfo("cam", "rtsp://camera/", 8, 8, None, Fraction(1, 25), live=True)
    there = Progress(9, 7, 2, 0, 1.0, 29.94, 1.0, 48.2, LiveStatus(LiveState.LIVE, 0))
    assert progress_text(there, info) == "7 frames · 29.9 FPS · 2 dropped · age 48 ms"
    gone = replace(there, status=LiveStatus(LiveState.ENDED, 0, "gone"))
    assert progress_text(gone, info) == "7 frames · ended: gone"


def test_the_line_before_the_first_frame_says_how_long_that_takes() -> None:
    info = SourceInfo("drive", "drive.mp4", 8, 8, Fraction(25), Fraction(1, 25), frames=221)
    before = Progress(24, 0, 0, 0, 12.3, 0.0, None, None)
    assert progress_text(before, info) == "0/221 frames · first frame on its way for 12 s"


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate, found = RecentRate(), None
    for tenth in range(100):
        found = rate.per_second(tenth / 10, 30 * min(tenth, 50))
    assert found == 0, "nothing has come for five seconds"
    rate.forget()
    assert rate.per_second(10, 1500) is None
    assert rate.per_second(11, 1510) == 10


class Counting(TickingLine):
    """Says how often it was asked."""

    def __init__(self, *, quiet: bool = False, stream: Any, early: str = "", words: str = "") -> None:
        super().__init__(quiet=quiet, stream=stream)
        self.asked, self.asked_early, self._early, self._words = 0, 0, early, words

    def text(self) -> str:
        self.asked += 1
        return f"looked {self.asked} times {self._words}".strip()

    def early_text(self) -> str:
        self.asked_early += 1
        return self._early


def on_a_terminal(do: Callable[[Any], None], columns: int = 0) -> str:
    """What somebody sees there."""
    master, slave = pty.openpty()
    if columns:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        do(terminal)
        time.sleep(0.5)  # for whoever writes when all is over
        os.set_blocking(master, False)
        data = os.read(master, 1 << 20)
    os.close(master)
    return data.decode()


def test_it_goes_on_by_itself_and_is_gone_at_its_end() -> None:
    def watch(terminal: Any) -> None:
        line = Counting(stream=terminal)
        line.start()
        until(lambda: line.asked >= 4, "four looks")
        line.end()

    seen = on_a_terminal(watch)
    assert "\rlooked 1 times\rlooked 2 times\rlooked 3 times" in seen
    assert seen.endswith("\r" + " " * len("looked 4 times") + "\r"), "nothing comes after its end"
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_a_line_longer_than_the_terminal_is_cut_and_no_secret_is_in_it() -> None:
    learn("rtsp://anna:geheim79@camera/")

    def watch(terminal: Any) -> None:
        line = Counting(stream=terminal, words="geheim79\n\x1b[31m" + "x" * 200)
        line.start()
        until(lambda: line.asked >= 2, "two looks")
        line.end()

    seen = on_a_terminal(watch, columns=60)
    assert max(map(len, seen.split("\r"))) == 59
    assert "\n" not in seen
    assert "\x1b" not in seen
    assert "geheim" not in seen


@pytest.mark.parametrize(("early", "written"), [("connecting to it", "connecting to it\n"), ("", "")])
def test_in_a_file_only_who_waits_is_told_before_ten_seconds_are_over(early: str, written: str) -> None:
    file = io.StringIO()
    line = Counting(stream=file, early=early)
    line.start()
    until(lambda: line.asked_early > 0, "a look after the first second")
    line.end()
    assert line.asked == 0
    assert file.getvalue() == written


def test_in_a_file_a_line_comes_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.status._FILE_EVERY_S", 0.05)
    monkeypatch.setattr("commands.status._EARLY_S", 0.05)
    file = io.StringIO()
    line = Counting(stream=file)
    line.start()
    until(lambda: line.asked >= 3, "three looks")
    line.end()
    said = file.getvalue()
    assert said.startswith("looked 1 times\nlooked 2 times\n")
    time.sleep(0.2)
    assert file.getvalue() == said


def test_quiet_has_no_thread() -> None:
    file = io.StringIO()
    line = Counting(stream=file, quiet=True, early="never")
    line.start()
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
    line.end()
    assert file.getvalue() == ""
