"""A real media server (gst-rtsp-server in record mode) that can be killed, frozen and started again on its port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PYTHON = "/usr/bin/python3"
_SCRIPT = Path(__file__).with_name("rtsp_record_process.py")
_NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


class RecordServer:
    """See ``record_server``. folder: where the sessions lie; port: kept over restarts."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.folder, self._options = folder, options
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = int(found.getsockname()[1])
        self._process: subprocess.Popen[str] | None = None

    def url(self, login: str = "", scheme: str = "rtsp") -> str:
        """login: ``name:password``."""
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}/live"

    def start(self) -> None:
        """Returns when it listens."""
        command = [_PYTHON, "-I", str(_SCRIPT), str(self.folder), f"--port={self.port}", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self.port)

    def kill(self) -> None:
        """At once and without a goodbye."""
        if self._process is not None:
            assert self._process.stdout is not None
            self._process.kill()
            self._process.wait(30)
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """Stand still, connections open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def sessions(self) -> list[Path]:
        """What came, one file per session."""
        return sorted(self.folder.glob("*.ts"), key=lambda file: int(file.stem))


@contextmanager
def record_server(folder: Path, *options: str, running: bool = True) -> Iterator[RecordServer]:
    """A server for as long as the block lasts; the test is skipped with the reason where GStreamer has none.

    options: ``--login=NAME:PASSWORD``, ``--codec=h265``, ``--certificate=PEM``.
    """
    done = Path(_PYTHON).exists() and subprocess.run([_PYTHON, "-I", "-c", _NEEDED], capture_output=True, check=False)
    if not done or done.returncode:
        pytest.skip(f"needs {_PYTHON} with GStreamer's bindings (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    server = RecordServer(folder, options)
    try:
        if running:
            server.start()
        yield server
    finally:
        server.kill()
