"""The window on a real X server: what it shows, what its keys do, and that nothing that befalls it hurts a run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.control import Control
from contracts.errors import OutputError, UsageError
from contracts.picture import Picture
from outputs import window as under_test
from outputs.window import WindowOutput
from outputs.window_process import first_size
from tests.support.program import ROOT
from tests.support.recording import result_of, source_info
from tests.support.screen import Screen, screen
from tests.support.waiting import until

_SIZES = st.integers(1, 20_000)


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    with screen(tmp_path_factory.mktemp("display")) as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    threads, files = set(threading.enumerate()), _open_files()
    yield
    assert [thread for thread in threading.enumerate() if thread not in threads and thread.is_alive()] == []
    assert _open_files() <= files


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


@contextmanager
def shown(
    display: Screen, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *, live: bool = False
) -> Iterator[tuple[WindowOutput, Control]]:
    """An open window for pictures of a size."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display.name)
    control = Control()
    output = WindowOutput(control, live=live)
    output.open([source_info(size)])
    try:
        yield output, control
    finally:
        output.close(None)
        assert display.window() is None


def put(output: WindowOutput, picture: Picture, size: tuple[int, int] | None = None, index: int = 0) -> None:
    """One picture; size: of the frame, where drawing made it even."""
    info = source_info(size or (picture.width, picture.height))
    result = result_of(picture, Fraction(index, 25), info, index)
    if size is not None:
        frame = Picture.from_bgr(np.zeros((size[1], size[0], 3), np.uint8))
        result = result_of(frame, Fraction(index, 25), info, index)
        result.paint = lambda _result: picture
    output.write(result)


def bars(size: tuple[int, int], kind: str = "bt709") -> Picture:
    """Eight colours beside one another, light above and dark below; as a Canvas has it or in another form."""
    width, height = size
    colours = np.array([[(n & 1) * 220, (n >> 1 & 1) * 220, (n >> 2 & 1) * 220] for n in range(8)], np.uint8)
    pixels = np.broadcast_to(colours[np.arange(width) * 8 // width], (height, width, 3)).copy()
    pixels[height // 2 :] //= 2
    if kind == "bgr24":
        return Picture.from_bgr(pixels)
    frame = (
        Picture.from_bgr(pixels)
        .av_frame()
        .reformat(format="nv12" if kind == "nv12" else "yuv420p", dst_colorspace=1 if kind == "bt709" else 5)
    )
    return Picture.from_av(frame)


def read(file: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(file))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def likeness(seen: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Share of pixels that are the same colour (borders of bars are not: chroma has half the resolution)."""
    if seen.shape != wanted.shape:
        return 0.0
    return float((np.abs(seen.astype(int) - wanted).max(2) <= 4).mean())


def test_a_live_picture_that_stands_still_says_so_until_the_next_one_comes(
    display: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain() -> bool:
        return bool((display.inside() == 120).all())

    def words() -> int:
        """White letters on a dark band across the middle; the picture is grey."""
        middle = display.inside()[165:195]
        return int((middle > 230).all(2).sum()) if (middle[:, :20] < 40).all() else 0

    grey = Picture.from_bgr(np.full((360, 640, 3), 120, np.uint8))
    with shown(display, monkeypatch, (640, 360), live=True) as (output, _):
        put(output, grey)
        until(plain, "the picture")
        until(lambda: words() > 200, "words over it")
        put(output, grey, index=1)
        until(plain, "the next picture as it is")


def test_a_recorded_picture_may_stand_still(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = Picture.from_bgr(np.full((360, 640, 3), 120, np.uint8))
    with shown(display, monkeypatch, (640, 360)) as (output, _):
        put(output, grey)
        until(lambda: bool((display.inside() == 120).all()), "the picture")
        time.sleep(2)
        assert (display.inside() == 120).all()


@pytest.mark.parametrize("kind", ["bt601", "bt709", "nv12", "bgr24"])
def test_the_colours_of_the_picture_are_on_the_screen(
    display: Screen, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    picture = bars((640, 360), kind)
    with shown(display, monkeypatch, (640, 360)) as (output, _):
        put(output, picture)
        until(lambda: likeness(display.inside(), picture.bgr()) > 0.97, f"the picture, {kind}")
        assert display.title() == "clip - RoadStream"


def test_a_picture_larger_than_the_screen_is_scaled_and_keeps_its_proportions(
    display: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = bars((3840, 2160))
    with shown(display, monkeypatch, (3840, 2160)) as (output, _):
        put(output, picture)
        wanted = cv2.resize(picture.bgr(), (1440, 810), interpolation=cv2.INTER_AREA)  # 0.9 of the screen's 1600
        until(
            lambda: likeness(display.inside(), np.asarray(wanted, np.uint8)) > 0.97, "the picture at 0.9 of the width"
        )
        display.do("windowsize", str(display.window()), "800", "800")
        small = cv2.resize(picture.bgr(), (800, 450), interpolation=cv2.INTER_AREA)
        boxed = np.zeros((800, 800, 3), np.uint8)
        boxed[175:625] = small
        until(lambda: likeness(display.inside(), boxed) > 0.97, "the picture between bars in a square window")


def test_one_pixel_fills_a_window_that_can_be_caught(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = bars((2, 2))
    with shown(display, monkeypatch, (1, 1)) as (output, _):
        put(output, picture, (1, 1))
        until(lambda: display.window() is not None and display.title() == "clip - RoadStream", "the picture")
        wanted = np.broadcast_to(picture.bgr()[:1, :1], (320, 320, 3))
        until(lambda: likeness(display.inside(), wanted) == 1, "one colour, 320×320")


def test_the_row_and_column_that_drawing_adds_to_odd_pictures_are_not_shown(
    display: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = bars((642, 362))
    with shown(display, monkeypatch, (641, 361)) as (output, _):
        put(output, picture, (641, 361), 7)
        until(lambda: likeness(display.inside(), picture.bgr()[:361, :641]) > 0.96, "the picture")
        display.press("s")
        until((tmp_path / "clip-000007.png").exists, "the file")
    assert np.array_equal(read(tmp_path / "clip-000007.png"), picture.bgr()[:361, :641])


def test_a_name_that_is_no_text_is_a_name(
    display: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display.name)
    info = replace(source_info((320, 180)), id="caf\udce9")
    output = WindowOutput(Control())
    output.open([info])
    output.write(result_of(bars((320, 180)), Fraction(0), info))
    until(lambda: display.title() == "caf? - RoadStream", "the title")
    display.press("s")
    until(lambda: len(caplog.messages) == 1, "where it was saved")
    output.close(None)
    assert len(list(tmp_path.glob("*-000000.png"))) == 1


def test_pictures_may_grow(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(display, monkeypatch, (320, 180)) as (output, _):
        for size in ((320, 180), (640, 360), (1280, 720), (320, 180)):
            for _ in range(5):
                put(output, bars(size))
            wanted = np.asarray(cv2.resize(bars(size).bgr(), (320, 180), interpolation=cv2.INTER_AREA), np.uint8)
            until(lambda wanted=wanted: likeness(display.inside(), wanted) > 0.9, f"{size}")  # type: ignore[misc]


def test_what_is_seen_is_saved_and_nothing_is_overwritten(
    display: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip-000003.png").write_text("somebody's own")
    picture = bars((640, 360))
    with shown(display, monkeypatch, (640, 360)) as (output, _):
        put(output, picture, index=3)
        until(lambda: likeness(display.inside(), picture.bgr()) > 0.97, "the picture")
        for number in (2, 3):
            display.press("s")
            saved = tmp_path / f"clip-000003-{number}.png"
            until(lambda saved=saved: f"saved {saved}" in caplog.messages, f"{saved}")  # type: ignore[misc]
            assert np.array_equal(read(saved), picture.bgr())
    assert all(record.asked for record in caplog.records), "nothing odd, for the report"  # type: ignore[attr-defined]
    assert (tmp_path / "clip-000003.png").read_text() == "somebody's own"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clip-000003-2.png",
        "clip-000003-3.png",
        "clip-000003.png",
    ]


def test_a_picture_that_cannot_be_saved_is_said_and_ends_nothing(
    display: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with shown(display, monkeypatch, (640, 360)) as (output, control):
        put(output, bars((640, 360)))
        until(lambda: display.title() == "clip - RoadStream", "the picture")
        gone.rmdir()
        display.press("s")
        until(lambda: any("was not saved" in message for message in caplog.messages), "the reason")
        put(output, bars((640, 360), "bt601"))
        assert not control.stopping.is_set()


def test_a_picture_for_which_a_disk_has_no_room_leaves_nothing(tmp_path: Path) -> None:
    """The system writes what fits and says how much that was, not that anything is missing."""
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom outputs.window_process import _written\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    _written(Path(sys.argv[1]), 'clip', bytes(60_000))\n"
        "except OSError:\n    print('refused')\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("refused\n", "")
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("how", ["q", "Escape", "cross"])
def test_quitting_stops_the_run(display: Screen, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with shown(display, monkeypatch, (640, 360)) as (output, control):
        put(output, bars((640, 360)))
        until(lambda: display.title() == "clip - RoadStream", "the picture")
        if how == "cross":
            display.ask_to_close()
        else:
            display.press(how)
        until(control.stopping.is_set, "the run was asked to stop")
        for _ in range(10):  # what is still on its way
            put(output, bars((640, 360)))


def test_space_pauses_a_recorded_run_and_of_a_live_one_the_picture(
    display: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = bars((640, 360), "bgr24"), Picture.from_bgr(np.full((360, 640, 3), 90, np.uint8))
    for live in (False, True):
        with shown(display, monkeypatch, (640, 360), live=live) as (output, control):
            put(output, one)
            until(lambda: likeness(display.inside(), one.bgr()) > 0.97, "the picture")
            display.press("space")
            until(lambda: display.title() == "clip - RoadStream (paused)", "the title says so")
            waiting = threading.Thread(target=control.wait_while_paused)
            waiting.start()
            waiting.join(60 if live else 1)
            assert waiting.is_alive() == (not live)
            for _ in range(10):
                put(output, other)
            assert likeness(display.inside(), one.bgr()) > 0.97
            display.press("space")
            until(lambda: likeness(display.inside(), other.bgr()) == 1, "the newest picture")
            assert display.title() == "clip - RoadStream"
            waiting.join(10)
            assert not waiting.is_alive()


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


def test_two_windows_at_once(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(display, monkeypatch, (320, 180)):
        output = WindowOutput(Control())
        output.open([source_info((640, 360))])
        put(output, bars((640, 360)))
        output.close(None)
        assert display.window() is not None


@given(st.tuples(_SIZES, _SIZES), st.tuples(st.integers(640, 8000), st.integers(480, 8000)))
def test_a_window_never_begins_larger_than_its_screen_nor_tiny(
    picture: tuple[int, int], desktop: tuple[int, int]
) -> None:
    width, height = first_size(picture, desktop)
    assert width <= desktop[0] * 0.9
    assert height <= desktop[1] * 0.9
    assert max(width, height) >= 320
