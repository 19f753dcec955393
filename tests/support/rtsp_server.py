"""A real RTSP server (gst-rtsp-server) that can be killed, stopped, continued and started again on its port."""

from __future__ import annotations

import functools
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest

_PYTHON = "/usr/bin/python3"
_SCRIPT = Path(__file__).with_name("rtsp_process.py")
_NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
_START_S = 60.0
Codec = Literal["h264", "h265", "mjpeg"]


@dataclass(frozen=True, slots=True)
class Mount:
    """One stream. rate: frames per second. keyframe_s: seconds between keyframes. audio_only: it has no video.

    states_rate: whether it says how fast it is.
    """

    path: str = "/cam"
    width: int = 320
    height: int = 240
    rate: int = 25
    codec: Codec = "h264"
    keyframe_s: float = 0.5
    audio_only: bool = False
    states_rate: bool = True


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch, and how it is proven. cert, key: PEM files for TLS."""

    users: Sequence[tuple[str, str]] = ()
    scheme: Literal["basic", "digest"] = "basic"
    cert: Path | None = None
    key: Path | None = None


class RtspServer:
    """A running server; see ``rtsp_server``. host: where it is reached. port: kept over restarts."""

    def __init__(self, mounts: Sequence[Mount], access: Access, host: str, within: Sequence[str]) -> None:
        self.mounts, self._access, self._within = list(mounts), access, list(within)
        self.host, self.port = host, 0
        self.epoch_ns = time.monotonic_ns()
        self._process: subprocess.Popen[str] | None = None

    def url(self, path: str = "/cam", user: str = "", password: str = "") -> str:
        """The address of a mount."""
        scheme = "rtsps" if self._access.cert else "rtsp"
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"{scheme}://{login}{self.host}:{self.port}{path}"

    def start(self, *mounts: Mount) -> None:
        """Start, or start again on the same port, with these mounts instead of those before where some are given."""
        self.mounts = list(mounts) or self.mounts
        wanted: dict[str, Any] = {
            **asdict(self._access),
            "port": self.port,
            "mounts": [asdict(mount) for mount in self.mounts],
            "epoch_ns": self.epoch_ns,
        }
        words = [*self._within, _PYTHON, str(_SCRIPT), json.dumps(wanted, default=str)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=_quiet())
        self.port = int(_line(self._process))

    def kill(self) -> None:
        """At once and without a goodbye (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(30)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def stop(self) -> None:
        """Stand still, connections open (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def resize(self, width: int, height: int, path: str = "/cam") -> None:
        """Change the size of a running stream."""
        self._tell({"path": path, "width": width, "height": height})

    def cut(self) -> None:
        """End every connection."""
        self._tell("cut")

    def made_ns(self, number: int, rate: int = 25) -> int:
        """When the picture with this number was made, on ``time.monotonic_ns``."""
        return self.epoch_ns + number * 1_000_000_000 // rate

    def _tell(self, what: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextmanager
def rtsp_server(
    *mounts: Mount, access: Access | None = None, host: str = "127.0.0.1", within: Sequence[str] = ()
) -> Iterator[RtspServer]:
    """A server for as long as the block lasts. within: a command in front (``ip netns exec …``)."""
    _check_bindings()
    server = RtspServer(mounts or [Mount()], access or Access(), host, within)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@functools.cache
def _lacking() -> str:
    """What is missing for a server; "" where nothing is."""
    if not Path(_PYTHON).exists():
        return f"needs {_PYTHON} with GStreamer's bindings"
    done = subprocess.run([_PYTHON, "-c", _NEEDED], capture_output=True, text=True, timeout=60, check=False)
    return f"needs gir1.2-gst-rtsp-server-1.0: {done.stderr.strip()[-200:]}" if done.returncode else ""


def _check_bindings() -> None:
    if _lacking():
        pytest.skip(_lacking())


def _quiet() -> dict[str, str]:
    """Without this environment's Python in the way of the system's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(_START_S), "the RTSP server does not start"
    line = process.stdout.readline()
    assert line, "the RTSP server ended at once"
    return line
