"""Cameras: pictures as they are made, counted and in time, on FFmpeg's test pictures."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from contracts.errors import SourceError
from sources import camera
from sources.camera_device import CameraAddress, Device
from sources.live.connection import Attempt, Fault
from sources.live.container import ContainerConnection
from sources.live.reader import ConnectionReader
from tests.sources.lavfi_camera import ONCE, lavfi

pytestmark = pytest.mark.usefixtures("no_thread_stays")


def everything_of(container: Any) -> tuple[list[int], int, str]:
    """Numbers of all pictures read, how many were lost, and what ended it: as of a recorded stream, so none is left."""

    def connect(_: Attempt) -> ContainerConnection:
        return ContainerConnection(container, "camera", live=False, broken=lambda fault: Fault(str(fault)))

    reader = ConnectionReader("camera of a test", connect, Attempt(ONCE))
    reader.start()
    numbers = []
    try:
        while (arrived := reader.take(30)) is not None:
            numbers.append(arrived.number)
    except Fault as fault:
        reader.join(10)
        return numbers, reader.lost, str(fault)
    pytest.fail("the stream says that it is complete")


def test_frames_come_as_they_are_made_with_the_device_s_time_from_zero_on() -> None:
    source = lavfi("testsrc=size=320x240:rate=25,setpts=PTS+1000,realtime")
    assert (source.info.width, source.info.height) == (320, 240)
    assert source.info.rate == 25
    assert source.info.live
    assert source.info.start == Fraction(1000, 25)
    frames = [frame for frame, _ in zip(source.frames(), range(15), strict=False)]
    source.close()
    assert [frame.pts for frame in frames] == [Fraction(frame.index, 25) for frame in frames]
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert frames[0].index == 0
    arrivals = [frame.arrival for frame in frames]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] - arrivals[0] > 0.1e9  # fourteen times 40 ms, made when due


def test_pictures_are_those_of_the_device() -> None:
    graph = "testsrc=size=64x48:rate=25,format=yuv420p"
    decoder = av.open(graph, format="lavfi").decode(video=0)
    plain = [next(decoder).to_ndarray() for _ in range(200)]
    source = lavfi(f"{graph},realtime")
    for frame, _ in zip(source.frames(), range(4), strict=False):
        found = np.concatenate([plane.reshape(-1) for plane in frame.picture.planes])
        assert np.array_equal(found, plain[frame.index].reshape(-1))
    source.close()


def test_a_clock_that_is_set_back_goes_on_rising() -> None:
    source = lavfi("testsrc=size=64x48:rate=25,setpts='if(lt(N,5),PTS+100000,PTS)',realtime=limit=0.1")
    stamps = [frame.pts for frame, _ in zip(source.frames(), range(9), strict=False)]
    source.close()
    assert stamps == sorted(set(stamps))
    assert stamps[-1] < 60  # not the hour and more between the two clocks


def test_what_nobody_takes_in_time_is_a_gap_and_the_latest_is_kept() -> None:
    source = lavfi("testsrc=size=64x48:rate=50,realtime")
    frames = source.frames()
    first = next(frames)
    deadline = time.monotonic() + 60
    while source._line.reader._count < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    second = next(frames)
    source.close()
    assert first.index == 0
    assert second.index >= 16
    assert second.pts == Fraction(second.index, 50)
    assert source.losses.lost == 0


def test_damaged_pictures_are_counted_and_leave_gaps(tmp_path: Path) -> None:
    path = tmp_path / "camera.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
    data = path.read_bytes()
    pictures = [b"\xff\xd8" + piece for piece in data.split(b"\xff\xd8")[1:]]
    assert len(pictures) == 6
    pictures[2] = b"\xff\xd8\xff\xda" + bytes(40) + b"\xff\xd9"  # a picture without its tables
    path.write_bytes(b"".join(pictures))
    numbers, lost, _ = everything_of(av.open(str(path), format="mjpeg"))
    assert lost == 1
    assert numbers == [0, 1, 3, 4, 5]


class _Impatient:
    """A container that has its next picture only when it is asked again, as AVFoundation's."""

    def __init__(self, container: Any) -> None:
        self._container, self._packets = container, container.demux(video=0)
        self.streams = container.streams
        self.refusals = 0

    duration = None

    def close(self) -> None:
        self._container.close()

    def demux(self, _stream: Any) -> Iterator[Any]:
        if self.refusals % 3 < 2:
            self.refusals += 1
            raise av.BlockingIOError(errno.EAGAIN, "not yet")
        self.refusals += 1
        for packet in self._packets:
            yield packet
            self.refusals += 1
            raise av.BlockingIOError(errno.EAGAIN, "not yet")


def test_a_device_that_has_no_picture_yet_is_asked_again() -> None:
    container = _Impatient(av.open("testsrc=size=64x48:rate=25:duration=0.24", format="lavfi"))
    numbers, lost, end = everything_of(container)
    assert (numbers, lost) == (list(range(6)), 0)
    assert container.refusals > 12
    assert end.startswith("camera gives no more pictures")


def test_close_from_another_thread_ends_frames_soon() -> None:
    source = lavfi("testsrc=size=64x48:rate=1,realtime")
    threading.Timer(0.3, source.close).start()
    begun = time.monotonic()
    given = list(source.frames())
    assert time.monotonic() - begun < 3
    assert len(given) <= 2
    source.close()


def test_a_camera_that_ends_is_an_error_of_its_own() -> None:
    source = lavfi("testsrc=size=64x48:rate=25:duration=0.2,realtime")
    with pytest.raises(SourceError, match=r"gives no more pictures → "):
        list(source.frames())
    source.close()


def test_what_the_camera_chose_instead_is_said(caplog: pytest.LogCaptureFixture) -> None:
    asked = CameraAddress("0", (1280, 720), Fraction(60))
    lavfi("testsrc=size=640x480:rate=30,realtime", asked).close()
    assert "it gives 640x480 instead of 1280x720 and 30 frames per second instead of 60" in caplog.text


def test_what_was_asked_for_and_given_is_not_talked_about(caplog: pytest.LogCaptureFixture) -> None:
    lavfi("testsrc=size=640x480:rate=30000/1001,realtime", CameraAddress("0", (640, 480), Fraction(30))).close()
    assert not caplog.text


def test_a_device_without_video() -> None:
    with pytest.raises(SourceError, match="gives no video"):
        lavfi("sine,arealtime")


def test_a_camera_without_mjpeg_is_opened_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second form is tried where the first is refused; here by a format FFmpeg's test device does not know."""
    graph = "testsrc=size=1280x720:rate=25,realtime"
    monkeypatch.setattr(camera, "choices_of", lambda device, _: [Device("no such format", graph, "camera"), device])
    source = lavfi(graph)
    assert source.info.width == 1280
    source.close()


def test_a_run_on_a_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole way, with FFmpeg's test pictures in the place of the device."""
    import sources.camera_device as devices
    from roadstream import stream
    from tests.support.networks import mask_network

    graph = Device("lavfi", "testsrc=size=320x240:rate=25,realtime", "camera 0")
    monkeypatch.setattr(devices, "device_of", lambda _: graph)
    network = mask_network(tmp_path / "network.onnx")
    seen = [result.frame.pts for result in stream("0", engines=[network], save=tmp_path / "out.mp4", max_frames=10)]
    assert seen == sorted(set(seen))
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert 1 <= len(list(made.decode(video=0))) <= 10


def test_waiting_for_a_camera_is_not_called_decoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sources.camera_device as devices
    from roadstream import stream
    from tests.support.networks import mask_network

    graph = Device("lavfi", "testsrc=size=320x240:rate=4,realtime", "camera 0")
    monkeypatch.setattr(devices, "device_of", lambda _: graph)
    run = stream("0", engines=[mask_network(tmp_path / "network.onnx")], max_frames=6)
    assert len(list(run)) == 6
    decode = run.statistics()["stages"]["decode"]
    assert 0 < decode["cpu_ms"] < 100
    assert 0 < decode["p50_ms"] < 100  # a picture comes every 250 ms
