"""The window on a real X server: what it shows."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.control import Control
from contracts.picture import Picture
from outputs.window import WindowOutput
from outputs.window_process import first_size
from tests.outputs.windows import bars, likeness, put, read, shown
from tests.support.recording import source_info
from tests.support.screen import Screen
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left", "no_file_is_left")


_SIZES = st.integers(1, 20_000)


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


def test_pictures_may_grow(display: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(display, monkeypatch, (320, 180)) as (output, _):
        for size in ((320, 180), (640, 360), (1280, 720), (320, 180)):
            for _ in range(5):
                put(output, bars(size))
            wanted = np.asarray(cv2.resize(bars(size).bgr(), (320, 180), interpolation=cv2.INTER_AREA), np.uint8)
            until(lambda wanted=wanted: likeness(display.inside(), wanted) > 0.9, f"{size}")  # type: ignore[misc]


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
