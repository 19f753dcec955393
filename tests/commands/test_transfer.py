"""The progress line of a download, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from commands.transfer import TransferLine, transfer_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A second per call unless told otherwise."""

    def __init__(self, step: float) -> None:
        self.now, self._step = 0.0, step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


@pytest.mark.parametrize(
    ("done", "total", "rate", "text"),
    [
        (0, None, 0.0, "net 0.0 MB · 0.0 MB/s"),
        (6_000_000, 24_000_000, 2e6, "net [██████··················] 6.0/24.0 MB · 2.0 MB/s · 9 s left"),
        (24_000_000, 24_000_000, 2e6, "net [████████████████████████] 24.0/24.0 MB · 2.0 MB/s · 0 s left"),
        (0, 24_000_000, 0.0, "net [························] 0.0/24.0 MB"),
        (0, 7_200_000, 1000.0, "net [························] 0.0/7.2 MB · 0.0 MB/s · 2:00:00 h left"),
    ],
)
def test_the_text(done: int, total: int | None, rate: float, text: str) -> None:
    assert transfer_text("net", done, total, rate) == text


def test_a_terminal_s_line_is_rewritten_and_left_empty() -> None:
    stream = Terminal()
    line = TransferLine("net", quiet=False, stream=stream, now=Clock(1))
    for done in range(0, 5_000_000, 1_000_000):
        line.update(done, 4_000_000)
    line.end()
    written = stream.getvalue()
    assert "\n" not in written
    assert written.count("\r") == 5 + 2
    assert "1.0 MB/s" in written
    assert written.endswith(" \r")


def test_a_log_gets_whole_lines_every_ten_seconds() -> None:
    stream = io.StringIO()
    line = TransferLine("net", quiet=False, stream=stream, now=Clock(1))
    for done in range(60):
        line.update(done * 1_000_000, 60_000_000)
    line.end()
    assert "\r" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 5


def test_quiet_is_quiet() -> None:
    stream = Terminal()
    line = TransferLine("net", quiet=True, stream=stream, now=Clock(60))
    line.update(0, 10)
    line.update(10, 10)
    line.end()
    assert stream.getvalue() == ""


def test_the_rate_of_a_resumed_download_counts_what_came_now() -> None:
    stream = Terminal()
    line = TransferLine("net", quiet=False, stream=stream, now=Clock(1))
    line.update(90_000_000, 100_000_000)
    line.update(92_000_000, 100_000_000)
    assert "2.0 MB/s · 4 s left" in stream.getvalue()
