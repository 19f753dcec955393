"""Cameras: reading on FFmpeg's test pictures and on pipes that run dry, devices by what is no camera."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from contracts.errors import RoadStreamError, SourceError, UsageError
from contracts.live import Patience
from sources import camera
from sources.camera import CameraOpener, open_camera
from sources.camera_device import CameraAddress, Device, choices_of, device_of, lost_fault, open_device
from sources.cameras import camera_files, lasting_names
from sources.live.connection import Attempt, Fault
from sources.live.container import ContainerConnection
from sources.live.reader import ConnectionReader
from sources.live.source import LiveSource
from sources.open import is_live, open_source, places_read

ADDRESS = CameraAddress("0")


ONCE = Patience(reconnect=0)
"""What is gone is given up."""


def lavfi(graph: str, address: CameraAddress = ADDRESS, patience: Patience = ONCE) -> LiveSource:
    return open_camera(Device("lavfi", graph, "camera of a test"), address, "camera:0", patience)


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


@pytest.fixture(autouse=True)
def _nothing_outlives_a_test() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("camera")]
    assert not [thread for thread in left if "fifo" not in thread.name]


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


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


RAW = {"video_size": "64x48", "pixel_format": "gray", "framerate": "25"}


def _raw(path: Path) -> Device:
    """A driver that blocks its reader for as long as nothing comes, as a stuck camera does."""
    return Device("rawvideo", str(path), "camera at a fifo", {**RAW})


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_a_camera_that_stops_in_the_middle_is_noticed_though_its_driver_never_returns(fifo: Path) -> None:
    writing = os.open(fifo, os.O_RDWR)
    os.write(writing, bytes(64 * 48) * 8)
    source = open_camera(_raw(fifo), ADDRESS, "camera:0", Patience(10, 0.5, reconnect=0))
    begun = time.monotonic()
    with pytest.raises(SourceError, match=r"camera at a fifo has sent no more pictures for 0\.5 s") as caught:
        list(source.frames())
    assert caught.value.cure
    assert 0.3 < time.monotonic() - begun < 5
    begun = time.monotonic()
    source.close()
    source.close()
    assert time.monotonic() - begun < 3
    os.close(writing)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_a_camera_that_cannot_even_be_opened_in_time_is_given_up(fifo: Path, caplog: pytest.LogCaptureFixture) -> None:
    begun = time.monotonic()
    with pytest.raises(SourceError, match=r"has sent no picture for 0\.4 s"):
        open_camera(_raw(fifo), ADDRESS, "camera:0", Patience(open_s=0.4, reconnect=0))
    assert time.monotonic() - begun < 4
    assert "1 connection does not let go" in caplog.text
    os.close(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))  # lets the thread that waits in open() go


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_raw_pictures_do_not_lie_in_the_driver_s_memory(fifo: Path) -> None:
    """FFmpeg hands a V4L2 driver's own buffers out as pictures, and unmaps them when the device is closed."""
    writing = os.open(fifo, os.O_RDWR)
    device = Device("rawvideo", str(fifo), "camera", {**RAW, "pixel_format": "yuv420p"})
    os.write(writing, bytes([90]) * (64 * 48 * 3 // 2) * 8)
    source = open_camera(device, ADDRESS, "camera:0", ONCE)
    picture = next(iter(source.frames())).picture
    assert picture.format == "yuv420p"
    assert picture.owner is None
    assert all((plane == 90).all() and not plane.flags.writeable for plane in picture.planes)
    os.close(writing)
    source.close()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("0", CameraAddress("0")),
        ("camera:1", CameraAddress("1")),
        ("camera:/dev/video2", CameraAddress("/dev/video2")),
        (
            "camera:1?size=1280x720&fps=30&format=mjpeg",
            CameraAddress("1", (1280, 720), Fraction(30), "mjpeg"),
        ),
        ("camera:01?format=YUYV", CameraAddress("1", None, None, "yuyv422")),
        ("camera:Integrated Camera?fps=29.97", CameraAddress("Integrated Camera", None, Fraction(2997, 100))),
    ],
)
def test_addresses(uri: str, expected: CameraAddress) -> None:
    assert CameraAddress.parse(uri) == expected
    assert is_live(uri)
    assert places_read(uri) == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("camera:", "names no camera"),
        ("camera:0?sise=640x480", "'sise'.*did you mean 'size'"),
        ("camera:0?size=640", "WIDTHxHEIGHT"),
        ("camera:0?size=0x4", "out of bounds"),
        ("camera:0?fps=0", "fps.*above 0"),
        ("camera:0?fps=fast", "not a number"),
        ("camera:0?format=mjepg", "'mjepg'.*did you mean 'mjpe?g'"),
        ("camera:0?fps=1&fps=2", "twice"),
    ],
)
def test_addresses_that_are_none(uri: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_source(uri)


@pytest.mark.parametrize("options", [{"start": 2.0}, {"loop": True}])
def test_a_camera_has_no_beginning(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"a camera cannot"):
        open_source("0", **options)


def test_a_number_that_is_a_file_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_live("0")
    Path("0").write_bytes(b"x")
    assert not is_live("0")
    with pytest.raises(SourceError, match="0 is not a video"):
        open_source("0")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (
            "linux",
            Device(
                "video4linux2",
                "/dev/video1",
                "camera /dev/video1",
                {"video_size": "640x480", "framerate": "30", "input_format": "mjpeg"},
            ),
        ),
        (
            "darwin",
            Device(
                "avfoundation",
                "1:none",
                "camera 1",
                {"video_size": "640x480", "framerate": "30", "pixel_format": "mjpeg"},
            ),
        ),
    ],
)
def test_what_ffmpeg_is_asked_for(platform: str, expected: Device) -> None:
    assert device_of(CameraAddress.parse("camera:1?size=640x480&fps=30&format=mjpeg"), platform) == expected


def test_what_macos_is_asked_for_at_least() -> None:
    assert device_of(CameraAddress.parse("0"), "darwin").options == {"framerate": "30"}


def test_what_windows_is_asked_for() -> None:
    found = device_of(CameraAddress.parse("camera:Integrated Camera?format=mjpeg"), "win32")
    assert (found.format, found.address, found.options) == ("dshow", "video=Integrated Camera", {"vcodec": "mjpeg"})
    with pytest.raises(SourceError, match="there is no camera 7"):
        device_of(CameraAddress.parse("camera:7"), "win32")


def _v4l2(path: Path | str, **options: str) -> Device:
    return Device("video4linux2", str(path), f"camera {path}", options)


@pytest.mark.skipif(sys.platform != "linux", reason="V4L2 is Linux's")
class TestDevicesThatAreNone:
    @pytest.mark.skipif(Path("/dev/video77").exists(), reason="it is there")
    def test_a_missing_one_names_those_there_are(self) -> None:
        with pytest.raises(SourceError, match=r"there is no camera /dev/video77 → (there are: |no camera|the kernel)"):
            open_source("camera:77")

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(b"x")
        with pytest.raises(SourceError, match=r"clip\.mp4 is a file, not a camera.*named without camera:"):
            open_source(f"camera:{tmp_path / 'clip.mp4'}")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is a folder, not a camera"):
            open_source(f"camera:{tmp_path}")

    def test_another_device(self) -> None:
        with pytest.raises(SourceError, match="/dev/null is no camera"):
            open_source("camera:/dev/null")

    def test_one_without_permission(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
        with pytest.raises(SourceError, match=r"no permission .*usermod -aG video"):
            open_device(_v4l2("/dev/null"))

    @pytest.mark.parametrize(
        ("number", "options", "words"),
        [
            (errno.EBUSY, {}, "in use by another program"),
            (errno.EACCES, {}, "usermod -aG video"),
            (errno.EINVAL, {"video_size": "7x7"}, "does not offer 7x7 → leave size"),
            (errno.ENODEV, {}, "cannot open camera /dev/null: No such device"),
        ],
    )
    def test_what_the_driver_says(
        self, monkeypatch: pytest.MonkeyPatch, number: int, options: dict[str, str], words: str
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(av, "open", refuse)  # no device of this machine says so
        with pytest.raises(SourceError, match=words):
            open_device(_v4l2("/dev/null", **options))


def test_a_camera_that_is_unplugged() -> None:
    error = lost_fault(Device("lavfi", "", "camera 0"), OSError(errno.ENODEV, "No such device"))
    assert str(error) == "camera 0 is gone: No such device → check its cable and plug it in again"


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


@pytest.mark.parametrize(
    ("uri", "platform", "expected"),
    [
        ("camera:1?size=1280x720", "linux", [{"input_format": "mjpeg"}, {}]),
        ("camera:Cam?size=1280x720", "win32", [{"vcodec": "mjpeg"}, {}]),
        ("camera:1?size=1280x720", "darwin", [{}]),
        ("camera:1?size=640x480", "linux", [{}]),
        ("camera:1", "linux", [{}]),
        ("camera:1?size=1280x720&format=yuyv", "linux", [{"input_format": "yuyv422"}]),
    ],
)
def test_large_pictures_are_asked_for_as_mjpeg_first(uri: str, platform: str, expected: list[dict[str, str]]) -> None:
    address = CameraAddress.parse(uri)
    found = choices_of(device_of(address, platform), address)
    wanted = ("input_format", "vcodec")
    assert [{key: each.options[key] for key in wanted if key in each.options} for each in found] == expected


def test_a_camera_without_mjpeg_is_opened_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second form is tried where the first is refused; here by a format FFmpeg's test device does not know."""
    graph = "testsrc=size=1280x720:rate=25,realtime"
    monkeypatch.setattr(camera, "choices_of", lambda device, _: [Device("no such format", graph, "camera"), device])
    source = lavfi(graph)
    assert source.info.width == 1280
    source.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Linux's links")
def test_a_camera_that_comes_back_as_another_number_is_found(tmp_path: Path) -> None:
    links = tmp_path / "dev/v4l/by-id"
    links.mkdir(parents=True)
    for number in (0, 1):
        (tmp_path / f"dev/video{number}").touch()
        (links / f"usb-cam-{number}").symlink_to(f"../../video{number}")
    opener = CameraOpener(Device("lavfi", "/dev/video0", "camera 0"), ADDRESS, tmp_path)
    opener._links = lasting_names("/dev/video0", tmp_path)
    assert [link.name for link in opener._links] == ["usb-cam-0"]
    assert opener._found().address == "/dev/video0"
    (tmp_path / "dev/video0").unlink()
    (links / "usb-cam-0").unlink()
    assert opener._found().address == "/dev/video0"  # not there: the error names what was asked for
    (tmp_path / "dev/video4").touch()
    (links / "usb-cam-0").symlink_to("../../video4")
    assert opener._found().address == str((tmp_path / "dev/video4").resolve())
    assert lasting_names("/dev/video9", tmp_path) == []


def test_cameras_are_listed_with_their_names(tmp_path: Path) -> None:
    for path, text in {"dev/video0": "", "dev/video1": "", "sys/class/video4linux/video0/name": "Cam\x1b[1m\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert [str(camera) for camera in camera_files(tmp_path)] == ["/dev/video0 (Cam [1m)", "/dev/video1"]
    assert camera_files(tmp_path / "nowhere") == []


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


def test_a_stalled_camera_ends_a_run_with_everything_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fifo: Path
) -> None:
    import sources.camera_device as devices
    from roadstream import stream
    from tests.support.networks import mask_network

    writing = os.open(fifo, os.O_RDWR)
    os.write(writing, bytes(64 * 48) * 8)
    monkeypatch.setattr(devices, "device_of", lambda _: _raw(fifo))
    network = mask_network(tmp_path / "network.onnx")
    with pytest.raises(RoadStreamError, match="has sent no more pictures") as caught:
        list(stream("camera:0", engines=[network], save=tmp_path / "out.mp4", reconnect=0))
    assert caught.value.exit_code == 3
    assert (tmp_path / "out.mp4").exists()
    os.close(writing)
