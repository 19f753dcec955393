"""What is said to the hl2ss app of a HoloLens 2, and what it answers: bytes ↔ values, all little-endian.

One client per port. A client sends its wish and is streamed to until it closes; on a wish that makes no sense the app
closes. Poses and matrices come for row vectors, as Windows has them: ``world = (x, y, z, 1) @ pose``; what they are
here is ``sources.hololens.space``'s business. Only what this program says and hears is written down.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sources.live.connection import Fault

VIDEO_PORT, LONG_THROW_PORT = 3810, 3805
TICKS_PER_S = 10_000_000
"""Of every time stamp: 100 ns, on the device's own clock."""
LONG_THROW_SIZE = (320, 288)
"""Width and height, pixels."""
STOP_CAMERA = bytes([0x0B])
CALIBRATE_LONG_THROW = bytes([2])
STREAM_LONG_THROW = struct.pack("<BBI", 1, 1, 5)
"""With poses, every picture, PNG filter 5 (Paeth)."""

_VIDEO_WITH_POSE, _EVERY_PICTURE, _ANY_LEVEL, _KEYFRAME_EVERY = 1, 1, 255, 10
_PROFILES = {"h264": 1, "hevc": 3}
"""H.264 main, HEVC main."""
_PACKET_HEAD, _POSE = struct.Struct("<QI"), struct.Struct("<16f")
_VIDEO_TAIL = struct.Struct("<4f60x2H")
"""Behind every picture: focal length, principal point, (exposure, lens, gains: unused here), width, height."""
_TICKS_TAIL = 8
"""Bytes behind every depth picture: the sensor's own ticks."""
_LATEST = 2**63 - 1
_MOST_VIDEO, _MOST_DEPTH = 16 * 2**20, 2**20
"""Bytes of a packet; an uncompressed picture of 1920x1080 has 3 MB, a depth picture 0.4 MB."""
_CURE = "look whether the hl2ss app is what listens there, and start it anew"

ReadExactly: TypeAlias = Callable[[int], bytes | bytearray]
"""Gives exactly that many bytes, or raises Fault."""
Rows: TypeAlias = NDArray[np.float64]
"""(4, 4), for row vectors."""


@dataclass(frozen=True, slots=True)
class VideoWish:
    """What the camera shall send: pixels, frames per second, coding, bits per second."""

    width: int
    height: int
    fps: int
    format: Literal["h264", "hevc"]
    bitrate: int

    def message(self) -> bytes:
        """The wish as it is sent: with poses, a keyframe per second."""
        return struct.pack(
            "<B2H4BIBQQ",
            _VIDEO_WITH_POSE,
            self.width,
            self.height,
            self.fps,
            _EVERY_PICTURE,
            _PROFILES[self.format],
            _ANY_LEVEL,
            self.bitrate,
            1,  # one option follows
            _KEYFRAME_EVERY,
            self.fps,
        )


@dataclass(frozen=True, slots=True, eq=False)
class VideoPacket:
    """One coded picture. focal, principal: pixels; size: (width, height) they are about."""

    timestamp: int
    access_unit: bytes
    focal: tuple[float, float]
    principal: tuple[float, float]
    size: tuple[int, int]
    pose: Rows


@dataclass(frozen=True, slots=True, eq=False)
class DepthPacket:
    """One depth picture, as a PNG. pose: of the rig, not of the camera."""

    timestamp: int
    png: bytes
    pose: Rows


@dataclass(frozen=True, slots=True, eq=False)
class LongThrowCalibration:
    """rays: float32 (288, 320, 2), x/z and y/z per pixel. extrinsics: rig → camera. scale: numbers per metre."""

    rays: NDArray[np.float32]
    extrinsics: Rows
    scale: float


def start_camera() -> bytes:
    """Switches the camera on, without holograms; everything else as the app's own clients have it."""
    without_holograms, composed = 0, 1
    opacity, width, height, stabilised_pictures, perspective = 0.9, 0.0, 0.0, 0, 1
    flags = (without_holograms, composed, 0, 0, 0, 0, 0)
    return struct.pack("<B7B3f2I", 0x07, *flags, opacity, width, height, stabilised_pictures, perspective)


def read_video(read: ReadExactly) -> VideoPacket:
    """The next packet of the camera. Raises Fault."""
    timestamp, payload, pose = _read_packet(read, _VIDEO_TAIL.size + 1, _MOST_VIDEO)
    *optics, width, height = _VIDEO_TAIL.unpack_from(payload, len(payload) - _VIDEO_TAIL.size)
    unit = bytes(memoryview(payload)[: -_VIDEO_TAIL.size])
    return VideoPacket(timestamp, unit, (optics[0], optics[1]), (optics[2], optics[3]), (width, height), pose)


def read_depth(read: ReadExactly) -> DepthPacket:
    """The next packet of the Long Throw depth camera. Raises Fault."""
    timestamp, payload, pose = _read_packet(read, _TICKS_TAIL + 1, _MOST_DEPTH)
    return DepthPacket(timestamp, bytes(memoryview(payload)[:-_TICKS_TAIL]), pose)


def read_long_throw_calibration(read: ReadExactly) -> LongThrowCalibration:
    """The answer to ``CALIBRATE_LONG_THROW``. Raises Fault."""
    width, height = LONG_THROW_SIZE
    pixels = width * height
    undistortion = 2 * pixels + 4  # not needed: rays take the lens into account
    numbers = np.frombuffer(bytes(read(4 * (2 * pixels + 16 + 1 + undistortion))), "<f4")
    rays = np.ascontiguousarray(numbers[: 2 * pixels].reshape(2, height, width).transpose(1, 2, 0), np.float32)
    extrinsics, scale = numbers[2 * pixels :][:16].astype(np.float64).reshape(4, 4), float(numbers[2 * pixels + 16])
    if not (np.isfinite(extrinsics).all() and np.isfinite(scale) and scale > 0):
        raise Fault("the HoloLens's depth camera has no usable calibration", "start the device anew")
    return LongThrowCalibration(rays, extrinsics, scale)


def _read_packet(read: ReadExactly, least: int, most: int) -> tuple[int, bytes | bytearray, Rows]:
    timestamp, size = _PACKET_HEAD.unpack(read(_PACKET_HEAD.size))
    if timestamp > _LATEST or not least <= size <= most:
        raise Fault(f"what comes from the HoloLens is no stream of hl2ss: a packet of {size} bytes", _CURE)
    payload = read(size)
    return timestamp, payload, np.array(_POSE.unpack(read(_POSE.size)), np.float64).reshape(4, 4)
