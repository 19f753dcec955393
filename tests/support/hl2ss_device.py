"""A HoloLens 2 running hl2ss, as far as its protocol is known: its camera, its Long Throw depth camera, and its faults.

It listens on the real ports, one client per port, and closes on what makes no
sense. Written from the protocol, not from ``sources.hololens``: what both say the same was said twice.

It walks before a wall, 3 m away, with a white disc on it; everything is a function of the time since it was switched
on, in the device's own form: matrices for row vectors, y up, cameras of pictures looking along -z.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

HOST = f"127.3.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
"""An address of this process alone: the ports are fixed, and several test runs may share a machine."""
PICTURES, DEPTH = 3810, 3805
TICKS = 10_000_000
SIZES = {(1920, 1080), (1280, 720), (960, 540), (640, 360), (424, 240)}
DISC = np.array([0.2, 0.15, -3.0, 1.0])
"""Of the white disc's middle in the world, metres."""
WALL_Z = -3.0
Matrix = NDArray[np.float64]


def turned(x: float = 0.0, y: float = 0.0, z: float = 0.0, at: tuple[float, float, float] = (0, 0, 0)) -> Matrix:
    """A rigid motion for row vectors: radians around the axes, then metres."""
    (a, b), (c, d), (e, f) = ((np.cos(angle), np.sin(angle)) for angle in (x, y, z))
    matrix = np.eye(4)
    around_x = np.array([[1, 0, 0], [0, a, b], [0, -b, a]])
    around_y = np.array([[c, 0, -d], [0, 1, 0], [d, 0, c]])
    around_z = np.array([[e, f, 0], [-f, e, 0], [0, 0, 1]])
    matrix[:3, :3] = around_x @ around_y @ around_z
    matrix[3, :3] = at
    return matrix


def head(seconds: float) -> Matrix:
    """Rig → world: it looks around and walks to and fro."""
    return turned(0.05 * np.sin(seconds), 0.15 * np.sin(0.7 * seconds), 0.03, (0.2 * np.sin(seconds / 2), 0.05, 0.3))


PICTURE_TO_RIG = turned(0.02, -0.01, 0.0, (0.01, 0.03, -0.05))
RIG_TO_DEPTH = np.diag([1.0, -1.0, -1.0, 1.0]) @ turned(0.2, 0.03, 0.01, (0.004, -0.02, 0.01))
"""The depth camera looks along +z with y down, and a little towards the floor."""


def picture_pose(seconds: float) -> Matrix:
    """Camera of pictures → world."""
    return PICTURE_TO_RIG @ head(seconds)


def focal_length(seconds: float, width: int) -> tuple[float, float]:
    """Pixels; autofocus is never at rest."""
    length = width * (0.78 + 0.02 * np.sin(seconds))
    return length, length * 1.002


def projected(point: Matrix, seconds: float, width: int, height: int) -> Matrix:
    """Pixel (x, y) at which a world point (4,) is seen, by the device's own formula."""
    (fx, fy), (cx, cy) = focal_length(seconds, width), principal(width, height)
    seen = (point @ np.linalg.inv(picture_pose(seconds)))[:3] @ np.array([[-fx, 0, 0], [0, fy, 0], [cx, cy, 1]])
    return np.array(seen[:2] / seen[2])


def principal(width: int, height: int) -> tuple[float, float]:
    return 0.51 * width, 0.48 * height


def depth_rays() -> Matrix:
    """uv2xy, (2, 288, 320): a lens that bends."""
    v, u = np.mgrid[:288, :320]
    x, y = (u - 158.3) / 185.0, (v - 146.1) / 187.0
    bend = 1 + 0.08 * (x * x + y * y)
    return np.stack([x * bend, y * bend])


def depth_to_world(seconds: float) -> Matrix:
    return np.array(np.linalg.inv(RIG_TO_DEPTH) @ head(seconds))


def depth_along_rays(seconds: float) -> NDArray[np.uint16]:
    """Millimetres from the depth camera to the wall; 0 in its corners, where it sees nothing."""
    x, y = depth_rays()
    camera = depth_to_world(seconds)
    directions = np.stack([x, y, np.ones_like(x)], axis=-1)
    forward = (directions @ camera[:3, :3])[..., 2]
    z = (WALL_Z - camera[3, 2]) / forward
    distance = z * np.sqrt(x * x + y * y + 1) * 1000
    blind = (x * x + y * y > 0.9) | (z <= 0)
    return np.where(blind, 0, np.rint(distance)).astype(np.uint16)


def drawn(seconds: float, width: int, height: int) -> NDArray[np.uint8]:
    """The sky above is blue, the floor is green, the disc is white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 3] = (180, 60, 30)
    picture[-height // 3 :] = (30, 90, 30)
    x, y = projected(DISC, seconds, width, height)
    if abs(x) < 4 * width and abs(y) < 4 * height:
        cv2.circle(picture, (round(x * 16), round(y * 16)), width, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return picture


class Hl2ssDevice:
    """Switched on by ``with``. wishes: what clients sent, per port. switched_off: whether its camera is.

    stalled, garbage, damaged, lost: faults, while they are set. garbage: packets are noise; damaged: the middle of
    every coded picture is; lost: it does not know where it is (poses are zeros). depth: whether that port is open.
    """

    first_tick = 98_765_432_109_876
    """Of its clock when it was switched on."""

    def __init__(self, host: str = HOST, *, depth: bool = True) -> None:
        self.host, self._has_depth = host, depth
        self.wishes: dict[int, list[bytes]] = {PICTURES: [], DEPTH: []}
        self.switched_off = threading.Event()
        self.stalled, self.garbage = threading.Event(), threading.Event()
        self.damaged, self.lost = threading.Event(), threading.Event()
        self.clients = {PICTURES: 0, DEPTH: 0}
        self._off = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()
        self._switched_on = 0.0

    def __enter__(self) -> Hl2ssDevice:
        """The test is skipped, with the reason, where the address cannot be had (macOS has 127.0.0.1 alone)."""
        try:
            self.switch_on()
        except OSError as fault:
            self.switch_off()
            pytest.skip(f"{self.host} cannot be listened at: {fault}")
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()

    def switch_on(self) -> None:
        self._off.clear()
        self.switched_off.set()
        self._switched_on = time.monotonic()
        self._open(PICTURES, self._pictures)
        if self._has_depth:
            self.open_depth()

    def switch_off(self) -> None:
        """Its battery is empty: connections break."""
        self._off.set()
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), thread.name
        self._threads.clear()

    def open_depth(self) -> None:
        """Its depth camera may be used from now on."""
        self._open(DEPTH, self._depth)

    def _open(self, port: int, serve: Any) -> None:
        listener = socket.create_server((self.host, port), backlog=1)
        listener.settimeout(0.05)
        thread = threading.Thread(target=self._listen, args=(listener, port, serve), name=f"device {port}")
        self._threads.append(thread)
        thread.start()

    def _now(self) -> float:
        return time.monotonic() - self._switched_on

    def _listen(self, listener: socket.socket, port: int, serve: Any) -> None:
        """One client after the other."""
        with listener:
            while not self._off.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                client.settimeout(10)
                self._sockets.add(client)
                with client, contextlib.suppress(OSError, EOFError):
                    serve(client, _Wish(client, self.wishes[port]))
                self._sockets.discard(client)

    def _pictures(self, client: socket.socket, wish: _Wish) -> None:
        mode = wish.take("B")[0]
        if mode == 0x07:
            wish.take("7B3f2I")
            self.switched_off.clear()
        elif mode == 0x0B:
            self.switched_off.set()
        elif mode in (0, 1):
            width, height, fps, divisor, profile, _level, bitrate = wish.take("2H4BI")
            options = dict(wish.take("2Q") for _ in range(wish.take("B")[0]))
            makes_sense = (width, height) in SIZES and fps in (15, 30) and divisor and bitrate and profile in range(4)
            if makes_sense and not self.switched_off.is_set():
                self.clients[PICTURES] += 1
                encoder = _encoder((width, height), fps, profile, bitrate, options.get(10, fps))
                self._stream_pictures(client, encoder, mode=mode, size=(width, height), profile=profile)

    def _stream_pictures(
        self, client: socket.socket, encoder: av.VideoCodecContext, *, mode: int, size: tuple[int, int], profile: int
    ) -> None:
        while self._wait_for_next(int(encoder.framerate)) and not self.switched_off.is_set():
            seconds = self._now()
            frame = av.VideoFrame.from_ndarray(drawn(seconds, *size), format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(seconds * TICKS), Fraction(1, TICKS)
            unit = b"".join(bytes(packet) for packet in encoder.encode(frame))
            assert unit.startswith(b"\0\0\0\1\x09" if profile < 3 else b"\0\0\0\1\x46"), unit[
                :8
            ]  # access unit delimiter
            if self.damaged.is_set():
                third = len(unit) // 3
                unit = unit[:third] + os.urandom(third) + unit[2 * third :]
            tail = struct.pack(
                "<2f2fQ2Q4I2f3f2H",
                *focal_length(seconds, size[0]),
                *principal(*size),
                *(166_000, 1, 1, 0, 2, 200, 5000),
                *(1.0, 1.0, 2.0, 1.0, 1.5),
                *size,
            )
            assert len(tail) == 80
            self._send(client, seconds, unit + tail, picture_pose(seconds) if mode == 1 else None)

    def _depth(self, client: socket.socket, wish: _Wish) -> None:
        mode = wish.take("B")[0]
        if mode == 2:
            x, y = depth_rays()
            pixels = np.mgrid[:288, :320].astype(np.float32)
            parts = (x, y, RIG_TO_DEPTH, 1000.0, pixels[1], pixels[0], [185.0, 187.0, 158.3, 146.1])
            client.sendall(np.concatenate([np.ravel(part) for part in parts]).astype("<f4").tobytes())
        elif mode in (0, 1):
            divisor, png_filter = wish.take("BI")
            if divisor and png_filter <= 5:
                self.clients[DEPTH] += 1
                while self._wait_for_next(5):
                    seconds = self._now()
                    payload = depth_png(depth_along_rays(seconds)) + struct.pack("<Q", round(seconds * TICKS))
                    self._send(client, seconds, payload, head(seconds) if mode == 1 else None)

    def _send(self, client: socket.socket, seconds: float, payload: bytes, pose: Matrix | None) -> None:
        data = struct.pack("<QI", self.first_tick + round(seconds * TICKS), len(payload)) + payload
        if pose is not None:
            data += np.ravel(np.zeros((4, 4)) if self.lost.is_set() else pose).astype("<f4").tobytes()
        if self.garbage.is_set():
            data = b"\xff" * 12 + os.urandom(len(data))
        client.sendall(data)

    def _wait_for_next(self, rate: int) -> bool:
        """Until the next picture is due; False: switched off."""
        while not self._off.wait(1 / rate - self._now() % (1 / rate)):
            if not self.stalled.is_set():
                return True
        return False


class _Wish:
    """Reads what a client wants, and writes it down."""

    def __init__(self, client: socket.socket, heard: list[bytes]) -> None:
        self._client, self._heard = client, heard
        heard.append(b"")

    def take(self, layout: str) -> tuple[Any, ...]:
        missing, data = struct.calcsize(f"<{layout}"), b""
        while len(data) < missing:
            part = self._client.recv(missing - len(data))
            if not part:
                raise EOFError
            data += part
        self._heard[-1] += data
        return struct.unpack(f"<{layout}", data)


def depth_png(depth: NDArray[np.uint16]) -> bytes:
    """Depth and brightness (a quarter of it), one behind the other, as bytes of pixels with four colours."""
    both = np.concatenate([depth, depth // 4]).astype("<u2").tobytes()
    done, png = cv2.imencode(".png", np.frombuffer(both, np.uint8).reshape(288, 320, 4))
    assert done
    return png.tobytes()


def _encoder(size: tuple[int, int], fps: int, profile: int, bitrate: int, gop: int) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx265" if profile == 3 else "libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.bit_rate, encoder.gop_size = "yuv420p", bitrate, gop
    encoder.framerate, encoder.time_base = Fraction(fps), Fraction(1, TICKS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    if profile == 3:
        encoder.options["x265-params"] = "log-level=none:aud=1:repeat-headers=1"
    else:
        encoder.options |= {"profile": ("baseline", "main", "high")[profile], "x264-params": "aud=1"}
    return encoder
