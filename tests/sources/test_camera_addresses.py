"""What a camera may be asked for, and what FFmpeg is asked for then, on every system."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError, UsageError
from sources.camera_device import CameraAddress, Device, choices_of, device_of
from sources.open import is_live, open_source, places_read


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
