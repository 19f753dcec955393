"""Cameras whose driver blocks its reader, as a pipe does that runs dry: noticed, given up, closed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import RoadStreamError, SourceError
from contracts.live import Patience
from sources.camera import open_camera
from sources.camera_device import Device
from tests.sources.lavfi_camera import ADDRESS, ONCE


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
    assert "1 connection still waits for it and is left behind" in caplog.text
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
        list(stream("camera:0", engines=[network], save=tmp_path / "out.mp4", reconnect=0, read_timeout=1))
    assert caught.value.exit_code == 3
    assert (tmp_path / "out.mp4").exists()
    os.close(writing)
