"""Whatever befalls the window, its process, its display or its library, costs the window and not the run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from contracts.control import Control
from contracts.errors import OutputError, UsageError
from outputs import window as under_test
from outputs.window import WindowOutput
from tests.outputs.windows import bars, likeness, put, shown
from tests.support.recording import source_info
from tests.support.screen import Screen, screen
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left", "no_file_is_left")


def test_memory_that_gives_out_costs_the_view_and_not_the_run(
    display: Screen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with shown(display, monkeypatch, (320, 180)) as (output, control):
        put(output, bars((320, 180)))
        with monkeypatch.context() as patched:
            patched.setattr("outputs.window_wire.os.ftruncate", _full)
            put(output, bars((640, 360)))
        for _ in range(5):
            put(output, bars((320, 180)))
        assert not control.stopping.is_set()
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.messages[0]


@pytest.mark.parametrize("short", ["subprocess.Popen", "PictureMemory"])
def test_a_window_that_cannot_be_started_is_a_line(
    display: Screen, monkeypatch: pytest.MonkeyPatch, short: str
) -> None:
    monkeypatch.setenv("DISPLAY", display.name)
    monkeypatch.setattr(f"outputs.window.{short}", _full)
    output = WindowOutput(Control())
    with pytest.raises(OutputError, match="cannot start the process of the window: No space left on device"):
        output.open([source_info((640, 360))])
    output.close(None)


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _stopped(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the process stands still")


def test_a_window_that_hangs_holds_nobody_up(
    display: Screen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with shown(display, monkeypatch, (640, 360)) as (output, _):
        process = output._process
        assert process is not None
        _stopped(process)
        last = bars((640, 360))
        for _ in range(200):  # more than pipe and memory hold
            put(output, bars((640, 360), "bt601"))
        put(output, last)
        process.send_signal(signal.SIGCONT)
        until(lambda: likeness(display.inside(), last.bgr()) > 0.97, "the newest picture, once it goes on")
        _stopped(process)
    assert process.returncode == -signal.SIGKILL
    assert caplog.messages == []


def test_a_window_that_is_killed_is_said_and_the_run_goes_on(
    display: Screen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with shown(display, monkeypatch, (640, 360)) as (output, control):
        put(output, bars((640, 360)))
        until(lambda: display.title() == "clip - RoadStream", "the picture")
        display.press("space")
        until(lambda: "paused" in display.title(), "the title says so")
        assert output._process is not None
        output._process.kill()
        until(lambda: len(caplog.messages) == 1, "a warning")
        assert "the window has gone" in caplog.messages[0]
        assert "the run goes on without it" in caplog.messages[0]
        control.wait_while_paused()  # nobody is left to end the pause
        for _ in range(10):
            put(output, bars((640, 360)))
        assert not control.stopping.is_set()


def test_a_display_that_goes_away_takes_only_the_window_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with screen(tmp_path) as own:
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", own.name)
        output = WindowOutput(Control())
        output.open([source_info((640, 360))])
        put(output, bars((640, 360)))
        until(lambda: own.title() == "clip - RoadStream", "the picture")
        own.process.kill()
        until(lambda: "the run goes on without it" in caplog.text, "a warning")
        put(output, bars((640, 360)))
        output.close(None)


def failing(monkeypatch: pytest.MonkeyPatch, name: str = ":0") -> str:
    """Why no window comes up."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", name)
    output = WindowOutput(Control())
    with pytest.raises(OutputError) as raised:
        output.open([source_info((640, 360))])
    output.close(raised.value)
    assert raised.value.cure.startswith("log in at the screen")
    return raised.value.message


def test_a_display_that_does_not_answer_is_refused(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "DISPLAY=:4093" in failing(monkeypatch, ":4093")


def _library(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "pygame.py").write_text(text)
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import os; os.abort()", "exit code -6"),
        ("raise ImportError('libSDL2: cannot open shared object file')", "libSDL2: cannot open shared object file"),
        ("print('hello'); raise RuntimeError('no\\nluck')", "no luck"),
        ("import time; time.sleep(3600)", "no answer within 3 s"),
    ],
)
def test_a_library_that_is_broken_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: str
) -> None:
    _library(tmp_path, monkeypatch, text)
    monkeypatch.setattr(under_test, "_START_S", 3.0 if "sleep" in text else 60.0)
    assert wanted in failing(monkeypatch)


def test_without_the_library_the_cure_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(UsageError, match=r"roadstream\[show\]"):
        under_test.check_window()
