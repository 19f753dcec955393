"""Which camera a URI means, and opening it: the names FFmpeg gives it, and errors with their cure.

Reading it is ``sources.camera``.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from contracts.errors import SourceError, UsageError
from contracts.text import did_you_mean, reason_of
from sources.cameras import PERMISSION_CURE, camera_files, kernel_cameras
from sources.live.connection import Fault
from sources.options import options_of, rate_option, size_option

_FORM = "write camera:0?size=1280x720&fps=30&format=mjpeg, or camera:/dev/video2"
_OPTIONS = ("size", "fps", "format")
_LEAST_SIZE, _MOST_SIZE = 16, 16_384
_FORMATS = {  # what people write → FFmpeg's name
    "mjpeg": "mjpeg",
    "mjpg": "mjpeg",
    "h264": "h264",
    "hevc": "hevc",
    "yuyv": "yuyv422",
    "yuyv422": "yuyv422",
    "uyvy422": "uyvy422",
    "nv12": "nv12",
    "yuv420p": "yuv420p",
    "rgb24": "rgb24",
    "bgr24": "bgr24",
    "gray": "gray",
}
_RAW_FITS = 640 * 480
"""Pixels that come raw over USB 2 thirty times a second."""
_COMPRESSED = ("mjpeg", "h264", "hevc")
_ASK_FOR_LESS = "leave size, fps or format out; the system's own camera tool (v4l2-ctl --list-formats-ext) lists them"


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """``camera:1?size=1280x720&fps=30&format=mjpeg``.

    device: a number, or a path, or what the system calls the camera. size: (width, height) in pixels. fps: frames per
    second. format: FFmpeg's name of how pictures come over the cable. None: as the camera likes.
    """

    device: str
    size: tuple[int, int] | None = None
    fps: Fraction | None = None
    format: str | None = None

    @classmethod
    def parse(cls, uri: str) -> CameraAddress:
        """Raises UsageError; ``0`` alone is the first camera."""
        rest = uri if uri.isdecimal() else uri.partition(":")[2]
        device, _, query = rest.partition("?")
        options = options_of(uri, query, _OPTIONS)
        if not device:
            raise UsageError(f"{uri!r} names no camera", _FORM)
        wanted = options.get("format")
        if wanted is not None and wanted.lower() not in _FORMATS:
            raise UsageError(f"unknown format {wanted!r} in {uri!r}", did_you_mean(wanted.lower(), _FORMATS))
        return cls(
            str(int(device)) if device.isdecimal() else device,
            size_option(uri, options["size"], _LEAST_SIZE, _MOST_SIZE) if "size" in options else None,
            rate_option(uri, options["fps"]) if "fps" in options else None,
            _FORMATS[wanted.lower()] if wanted is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Device:
    """What FFmpeg opens: an input format, the address in it, and its options. name: for people."""

    format: str
    address: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def device_of(address: CameraAddress, platform: str = sys.platform) -> Device:
    """The device on this kind of system (``sys.platform``'s names). Raises UsageError, and SourceError on Windows."""
    options = {}
    if address.size is not None:
        options["video_size"] = f"{address.size[0]}x{address.size[1]}"
    if address.fps is not None:
        options["framerate"] = str(address.fps)
    if platform == "darwin":
        options.setdefault("framerate", "30")  # FFmpeg's own choice is 29.97, which these cameras refuse
        if address.format is not None:
            options["pixel_format"] = address.format
        return Device("avfoundation", f"{address.device}:none", f"camera {address.device}", options)
    if platform == "win32":
        if address.format is not None:
            options["vcodec" if address.format in _COMPRESSED else "pixel_format"] = address.format
        name = _windows_name(address.device) if address.device.isdecimal() else address.device
        return Device("dshow", f"video={name}", f"camera {name}", options)
    if address.format is not None:
        options["input_format"] = address.format
    path = f"/dev/video{address.device}" if address.device.isdecimal() else address.device
    return Device("video4linux2", path, f"camera {path}", options)


def choices_of(device: Device, address: CameraAddress) -> list[Device]:
    """The device in the forms to be tried, best first.

    Raw pictures of more than 640x480 are too much for USB 2, and cameras then give a few per second: where nobody asked
    for a form, MJPEG comes first.
    """
    wide = address.size is not None and address.size[0] * address.size[1] > _RAW_FITS
    key = {"video4linux2": "input_format", "dshow": "vcodec"}.get(device.format)
    if not wide or key is None or address.format is not None:
        return [device]
    return [replace(device, options={**device.options, key: "mjpeg"}), device]


def open_device(device: Device) -> InputContainer:
    """Opens it; may wait for as long as a driver likes. Raises Fault."""
    if device.format == "video4linux2":
        _check_device_file(device)
    try:
        return av.open(device.address, format=device.format, options=dict(device.options))
    except (av.FFmpegError, OSError, ValueError) as fault:  # ValueError: a format this FFmpeg was built without
        raise _refused(device, fault) from fault


def lost_fault(device: Device, fault: Exception) -> Fault:
    """What to say when reading an open camera fails."""
    number = getattr(fault, "errno", None)
    if number in (errno.ENODEV, errno.ENXIO, errno.EIO, errno.EPROTO):
        return Fault(f"{device.name} is gone: {reason_of(fault)}", "check its cable and plug it in again")
    return Fault(f"{device.name} cannot be read any more: {reason_of(fault)}", "unplug it and plug it in again")


def _check_device_file(device: Device) -> None:
    """What FFmpeg would call an inappropriate ioctl, in words. Raises Fault."""
    path = Path(device.address)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise Fault(f"there is no {device.name}", _cameras_there(), again="once live") from fault
    except (OSError, ValueError) as fault:
        raise Fault(f"cannot look at {device.name}: {reason_of(fault)}", _cameras_there(), again="once live") from fault
    if not stat.S_ISCHR(mode):
        what = "folder" if stat.S_ISDIR(mode) else "file"
        cure = f"{_cameras_there()}; a {what} is named without camera:"
        raise Fault(f"{path} is a {what}, not a camera", cure, again="never")
    if not os.access(path, os.R_OK | os.W_OK):
        raise Fault(f"no permission to use {device.name}", PERMISSION_CURE, again="once live")


def _refused(device: Device, fault: Exception) -> Fault:
    """The cure for what FFmpeg says of a device that is there."""
    number, asked = getattr(fault, "errno", None), ", ".join(device.options.values())
    if number == errno.EBUSY:
        cure = "close it there (fuser -v shows who has it)"
        return Fault(f"{device.name} is in use by another program", cure, again="once live")
    if number in (errno.EACCES, errno.EPERM):
        return Fault(f"no permission to use {device.name}", PERMISSION_CURE, again="once live")
    if number == errno.ENOTTY:
        return Fault(f"{device.name} is no camera", _cameras_there(), again="never")
    if number == errno.EINVAL and asked:
        return Fault(f"{device.name} does not offer {asked}", _ASK_FOR_LESS, again="once live")
    return Fault(f"cannot open {device.name}: {reason_of(fault)}", _cameras_there(), again="once live")


def _cameras_there() -> str:
    """The cameras of this machine, as a cure."""
    if sys.platform != "linux":
        names = _listed(sys.platform)
        return f"there are: {', '.join(names)}" if names else "plug one in"
    found = camera_files()
    if found:
        return f"there are: {', '.join(map(str, found))}"
    known = kernel_cameras()
    if known:
        return f"the kernel has {', '.join(known)}: start the container with --device /dev/{known[0]}"
    return "no camera is there: plug one in (roadstream doctor looks for them)"


def _listed(platform: str) -> list[str]:
    """What macOS and Windows call their cameras, in their order."""
    try:
        devices = av.enumerate_input_devices("avfoundation" if platform == "darwin" else "dshow")
    except (av.FFmpegError, OSError, ValueError):
        return []
    return [each.description or each.name for each in devices if "video" in each.media_types]


def _windows_name(number: str) -> str:
    """DirectShow knows cameras by name. Raises SourceError."""
    names = _listed("win32")
    if int(number) >= len(names):
        raise SourceError(f"there is no camera {number}", f"there are: {', '.join(names)}" if names else "plug one in")
    return names[int(number)]
