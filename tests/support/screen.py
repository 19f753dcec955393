"""A real X server of a test's own (Xvfb), what is to be seen on it, and a person's hands (xdotool)."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.waiting import LONG_S

_HEADER = struct.Struct(">25I")  # of an xwd file (X11/XWDFile.h), version 7


@dataclass(slots=True)
class Screen:
    """The X server: its name for programs, its process, the file its picture is in."""

    name: str
    process: subprocess.Popen[bytes]
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """For a program that is to show something here."""
        hidden = ("WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
        return {key: value for key, value in os.environ.items() if key not in hidden} | {"DISPLAY": self.name}

    def pixels(self) -> NDArray[np.uint8]:
        """What is on the screen: (height, width, 3) BGR."""
        data = self.file.read_bytes()
        header = _HEADER.unpack_from(data)
        size, width, height, bits, bytes_per_line, colours = (header[at] for at in (0, 4, 5, 11, 12, 19))
        assert bits == 32
        begin = size + colours * 12
        rows = np.frombuffer(data, np.uint8, height * bytes_per_line, begin).reshape(height, bytes_per_line)
        return rows[:, : width * 4].reshape(height, width, 4)[:, :, :3]

    def do(self, *words: str) -> str:
        """One command of xdotool."""
        done = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, timeout=LONG_S, check=False
        )
        return done.stdout

    def window(self) -> str | None:
        """The number of RoadStream's window, once it is to be seen."""
        return next(iter(self.do("search", "--onlyvisible", "--class", "roadstream").split()), None)

    def title(self) -> str:
        """The window's title."""
        window = self.window()
        return "" if window is None else self.do("getwindowname", window).strip()

    def place(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window's inside, once it is to be seen."""
        deadline, facts = time.monotonic() + LONG_S, dict[str, str]()
        while "X" not in facts and time.monotonic() < deadline:
            lines = self.do("getwindowgeometry", "--shell", str(self.window())).split()
            facts = dict(line.split("=", 1) for line in lines if "=" in line)
        return int(facts["X"]), int(facts["Y"]), int(facts["WIDTH"]), int(facts["HEIGHT"])

    def inside(self) -> NDArray[np.uint8]:
        """What the window shows."""
        left, top, width, height = self.place()
        return self.pixels()[top : top + height, left : left + width]

    def press(self, key: str) -> None:
        """A key, in the window."""
        self.do("windowfocus", "--sync", str(self.window()), "key", key)

    def ask_to_close(self) -> None:
        """What a window manager sends for a click on the cross: WM_DELETE_WINDOW."""
        window = self.window()
        assert window is not None
        _send_delete(self.name, int(window))


@contextmanager
def screen(folder: Path, size: str = "1600x1000x24") -> Iterator[Screen]:
    """Starts an X server; the test is skipped with the reason where something is missing."""
    for program, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine (Debian: apt-get install {package})")
    if find_spec("pygame") is None:
        pytest.skip("pygame-ce is not installed (the extra 'show')")
    frames = folder / "screen"
    frames.mkdir()
    read, write = os.pipe()
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-fbdir", str(frames), "-nolisten", "tcp"]
    with subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as number:
            name = f":{number.readline().strip()}"
        try:
            yield Screen(name, process, frames / "Xvfb_screen0")
        finally:
            process.kill()


class _ClientMessage(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 24),  # an XEvent is 24 longs
    )


def _send_delete(name: str, window: int) -> None:
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x11.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(name.encode())
    assert display is not None
    protocols, delete = (x11.XInternAtom(display, word, 0) for word in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = _ClientMessage(type=33, window=window, message_type=protocols, format=32)  # 33: ClientMessage
    message.data[0] = delete
    x11.XSendEvent(display, window, 0, 0, ctypes.byref(message))
    x11.XCloseDisplay(display)
