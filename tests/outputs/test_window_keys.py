"""The keys of the window: save, pause, quit."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from contracts.control import Control
from contracts.picture import Picture
from outputs.window import WindowOutput
from tests.outputs.windows import bars, likeness, put, read, shown
from tests.support.program import ROOT
from tests.support.recording import result_of, source_info
from tests.support.screen import Screen
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left", "no_file_is_left")


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
