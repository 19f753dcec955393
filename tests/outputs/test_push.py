"""Pushing to real media servers: what arrives is what was drawn, and nothing that befalls a server holds a run up."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from contracts import backoff
from contracts.errors import OutputError
from contracts.picture import Picture
from outputs.encoder import VideoSettings
from outputs.push import PushOutput
from tests.support.fakes import CountingSource, ListOutput, make_run
from tests.support.numbered import i420, number_in
from tests.support.pushing import (
    RATE,
    SIZE,
    Feeder,
    arrived,
    assert_arrived_as_drawn,
    coloured,
    frames_of,
    planes_of,
    rtmp_taker,
    shows,
)
from tests.support.recording import level_of, luma, picture, planes, seconds, source_info
from tests.support.rtsp_record_server import RecordServer, record_server
from tests.support.waiting import LONG_S, until

_LOGIN = "driver:pass#word"
_WRITTEN = "driver:pass%23word"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RecordServer]:
    with record_server(tmp_path) as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    threads, processes = set(threading.enumerate()), set(psutil.Process().children())
    yield
    assert [thread for thread in threading.enumerate() if thread not in threads and thread.is_alive()] == []
    _gone, alive = psutil.wait_procs(set(psutil.Process().children()) - processes, timeout=0)
    assert not alive, alive


@pytest.fixture(name="hurried")
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(backoff, "_FIRST_S", 0.05)
    monkeypatch.setattr(backoff, "_MOST_S", 0.2)


@pytest.mark.parametrize(("codec", "depayloader"), [("h264", "h264"), ("hevc", "h265")])
def test_what_arrives_is_what_was_drawn(tmp_path: Path, codec: Literal["h264", "hevc"], depayloader: str) -> None:
    with record_server(tmp_path, f"--codec={depayloader}") as server:
        feeder = Feeder(server.url(), codec=codec, crf=18)
        feeder.give_all_of(75, lambda index: coloured(SIZE, index))
        assert feeder.output.dropped == 0
        (file,) = server.sessions()
        assert_arrived_as_drawn(feeder, file, SIZE, 75)
        feeder.close()
        keys = [index for index, frame in enumerate(frames_of(file)) if frame.key_frame]
        assert max(np.diff(keys)) <= RATE  # frames: a second


def test_rtmp(tmp_path: Path) -> None:
    file = tmp_path / "came.flv"
    with rtmp_taker(file) as (port, taker):
        feeder = Feeder(f"rtmp://127.0.0.1:{port}/live/cam", crf=18)
        feeder.give_until(lambda: feeder.sent > 0, "ffmpeg listens")
        feeder.give_all_of(30, lambda index: coloured(SIZE, index))
        feeder.close()
        assert taker.wait(60) == 0
    frames = frames_of(file)
    assert len(frames) == feeder.sent
    for back, frame in enumerate(reversed(frames[-30:]), 1):
        for got, sent in zip(planes_of(frame), coloured(SIZE, feeder.count - back).planes, strict=True):
            assert np.abs(got.astype(int) - sent).mean() < 3
    times = [float(seconds(frame) - seconds(frames[-30])) for frame in frames[-30:]]  # ffmpeg lets a file begin at 0
    assert times == pytest.approx([float(index / RATE) for index in range(30)], abs=0.002)  # FLV counts milliseconds


def test_odd_sizes_grow_and_another_size_is_scaled(server: RecordServer, caplog: pytest.LogCaptureFixture) -> None:
    feeder = Feeder(server.url(), source_info((161, 91), RATE))
    feeder.give_all_of(3, lambda index: Picture.from_bgr(np.full((91, 161, 3), level_of(index), np.uint8)))
    feeder.give_all_of(3, lambda index: picture((320, 240), level_of(index)))
    (file,) = server.sessions()
    frames = arrived(feeder, file, 6)
    feeder.close()
    assert {(frame.width, frame.height) for frame in frames} == {(162, 92)}
    assert [luma(frame).mean() for frame in frames[3:]] == pytest.approx([level_of(i) for i in (3, 4, 5)], abs=3)
    assert [record.message for record in caplog.records] == ["the picture's size changed to 320×240; scaled to 162×92"]


@pytest.mark.usefixtures("hurried")
def test_a_server_that_comes_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with record_server(tmp_path, running=False) as server:
        feeder = Feeder(server.url())
        feeder.give_until(lambda: bool(caplog.records), "the trouble was said")
        server.start()
        feeder.give_until(lambda: feeder.sent > 10, "pictures were sent")
        arrived(feeder, server.sessions()[0], 10)
        feeder.close()
        assert feeder.output.dropped > 0
    said = [record.message for record in caplog.records]
    assert said == [
        f"{server.url()} does not take the stream yet: Connection refused; trying again",
        f"{server.url()} takes the stream now",
    ]


@pytest.mark.usefixtures("hurried")
def test_nobody_ever_there_ends_the_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    feeder = Feeder(f"rtsp://127.0.0.1:{port}/live")
    with pytest.raises(OutputError, match=r"cannot push to rtsp://.*: Connection refused → see whether"):
        feeder.give_until(lambda: False, "an error")
    feeder.output.close(RuntimeError("the run's own"))
    assert feeder.output.dropped == feeder.count


@pytest.mark.parametrize(
    ("login", "path", "why"),
    [
        ("driver:wrong-one", "/live", "401 Unauthorized"),
        ("", "/live", "401 Unauthorized"),
        (_WRITTEN, "/elsewhere", "404 Not Found"),
    ],
)
def test_what_can_never_work_ends_the_run_at_once(tmp_path: Path, login: str, path: str, why: str) -> None:
    with record_server(tmp_path, f"--login={_LOGIN}") as server:
        feeder = Feeder(server.url(login).replace("/live", path))
        with pytest.raises(OutputError) as raised:
            feeder.give_until(lambda: False, "an error")
        feeder.output.close(raised.value)
    assert why in str(raised.value)
    assert f"rtsp://127.0.0.1:{server.port}{path}" in str(raised.value)
    assert raised.value.cure


@pytest.mark.usefixtures("hurried")
def test_a_password_is_shown_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSH_PASSWORD", "pass#word")
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    with record_server(tmp_path, f"--login={_LOGIN}") as server:
        feeder = Feeder(server.url("driver:${PUSH_PASSWORD}"))
        feeder.give_until(lambda: feeder.sent > 3, "pictures were sent")
        shown += [
            word
            for child in psutil.Process().children()
            if "push_process" in str(child.cmdline())
            for word in child.cmdline()
        ]
        shown += [thread.name for thread in threading.enumerate()]
        server.kill()
        feeder.give_until(lambda: "trying again" in caplog.text, "the loss was said")
    record_log = caplog.text
    with record_server(tmp_path, "--login=driver:another") as changed:
        url = server.url(_WRITTEN).replace(str(server.port), str(changed.port))
        refused = Feeder(url)
        with pytest.raises(OutputError) as raised:
            refused.give_until(lambda: False, "an error")
        refused.output.close(raised.value)
    feeder.close()
    shown += [record_log, caplog.text, str(raised.value), repr(raised.value.__cause__), repr(feeder.output)]
    assert "push_process" in "".join(shown)
    for secret in ("pass#word", "pass%23word", "driver"):
        assert not [text for text in shown if secret in text]


@pytest.mark.usefixtures("hurried")
def test_a_server_killed_and_started_again(server: RecordServer, caplog: pytest.LogCaptureFixture) -> None:
    feeder = Feeder(server.url())
    feeder.give_until(lambda: feeder.sent > 10, "pictures were sent")
    server.kill()
    feeder.give_until(lambda: "lost" in caplog.text, "the loss was said")
    server.start()
    before = feeder.count
    feeder.give_until(lambda: "takes the stream now" in caplog.text, "the server was found again")
    feeder.give_until(lambda: len(server.sessions()) == 2, "another session")
    came = arrived(feeder, server.sessions()[1], 15)[-5:]
    feeder.close()
    assert [index for index in range(before, feeder.count) if shows(came, index)]
    lost, back = [record.message for record in caplog.records]
    assert lost == f"lost {server.url()}: it closed the connection; trying again until it is back"
    assert back == f"{server.url()} takes the stream now"


@pytest.mark.usefixtures("hurried")
def test_a_password_that_changed_ends_the_push_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with record_server(tmp_path, f"--login={_LOGIN}") as server:
        feeder = Feeder(server.url(_WRITTEN))
        feeder.give_until(lambda: feeder.sent > 3, "pictures were sent")
        server.kill()
        server._options = ("--login=driver:another",)
        server.start()
        feeder.give_until(lambda: "goes on without it" in caplog.text, "the end of the push was said")
        sent = feeder.sent
        for _ in range(10):
            feeder.give()
        assert feeder.sent == sent
        with pytest.raises(OutputError, match="401 Unauthorized"):
            feeder.close()


def test_a_frozen_server_holds_nobody_up_and_gets_the_newest_when_it_thaws(server: RecordServer) -> None:
    width, height = size = (640, 360)
    feeder = Feeder(server.url(), source_info(size, RATE), crf=1)
    noise = np.random.default_rng(1).integers(16, 235, (height // 2, width), np.uint8)

    def give() -> None:
        """A picture with its number, and so much noise that few fill every buffer on the way."""
        pixels = np.frombuffer(i420(feeder.count, width, height), np.uint8).reshape(-1, width).copy()
        pixels[height // 2 : height] = np.roll(noise, feeder.count, axis=1)
        feeder.give(Picture("yuv420p", planes(pixels), "bt709", False, False, pixels))
        time.sleep(0.03)

    def give_until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG_S
        while not true():
            assert time.monotonic() < end
            give()

    give_until(lambda: feeder.sent > 3)
    server.freeze()
    sent, standing = feeder.sent, time.monotonic()

    def stands() -> bool:
        nonlocal sent, standing
        if feeder.sent != sent:
            sent, standing = feeder.sent, time.monotonic()
        return time.monotonic() - standing > 2

    give_until(stands)  # nobody takes them, and still they can be given
    newest = feeder.count - 4  # so many wait
    server.thaw()
    (file,) = server.sessions()
    give_until(lambda: feeder.sent > sent + 30)
    found: list[int] = []

    def come() -> bool:
        found[:] = [number_in(planes_of(frame)[0]) or 0 for frame in frames_of(file)]
        return found[-1] > newest + 10

    give_until(come)
    feeder.close()
    assert found == sorted(set(found))
    assert sum(number < newest for number in found) <= sent + 1  # the others were left out, and one is on its way


def test_a_run_ends_though_the_server_hangs(server: RecordServer) -> None:
    """Everything behind the frozen server: the socket, the pipe, the goodbye."""
    feeder = Feeder(server.url())
    feeder.give_all_of(3)
    server.freeze()
    begun = time.monotonic()
    feeder.close()
    assert time.monotonic() - begun < 30  # and not for ever
    server.thaw()


def test_a_server_that_says_nothing_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        feeder = Feeder(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live")
        for _ in range(30):
            feeder.give()
        until(lambda: bool(psutil.Process().children()), "it connects")
        begun = time.monotonic()
        with pytest.raises(OutputError, match="it had not answered when the run ended"):
            feeder.close()
        assert time.monotonic() - begun < 30
    assert feeder.output.dropped == feeder.count


def test_a_run_that_gave_nothing_pushed_nothing() -> None:
    output = PushOutput("rtsp://127.0.0.1:1/live", VideoSettings())
    output.open([source_info(SIZE, RATE)])
    output.close(None)
    assert output.dropped == 0
    never_opened = PushOutput("rtsp://127.0.0.1:1/live", VideoSettings())
    never_opened.close(None)


def test_the_run_beside_it_loses_nothing_and_the_figures_count_what_was_left_out(server: RecordServer) -> None:
    beside = ListOutput(drawn=True)
    pushed = PushOutput(server.url(), VideoSettings(preset="ultrafast"))
    source = CountingSource(200, pause_s=0.005)
    pushed.open([source.info])
    server.freeze()
    run = make_run(source, [beside, pushed])  # type: ignore[list-item]
    assert len(list(run.results())) == 200
    with pytest.raises(OutputError, match="had not answered"):
        run.close()
    assert beside.indices == list(range(200))
    assert run.figures.output_drops() == {"list": 0, "push": 200}
    assert run.figures.output_writes() == {"list": 200, "push": 0}
