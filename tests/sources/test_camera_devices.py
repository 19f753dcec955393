"""Devices: those that are no camera, those that refuse, those that come back under another name."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import av
import pytest

from contracts.errors import SourceError
from sources.camera import CameraOpener
from sources.camera_device import Device, lost_fault, open_device
from sources.cameras import camera_files, lasting_names
from sources.open import open_source
from tests.sources.lavfi_camera import ADDRESS


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
