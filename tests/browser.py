"""Plays a file in a real browser: headless Chromium, a page with one <video>, a server that the page reports to."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--autoplay-policy=no-user-gesture-required")
_PAGE = b"""<!doctype html><video id="v" muted src="film.mp4"></video><script>
const v = document.getElementById("v");
function report(ended, error) {
  const q = v.getVideoPlaybackQuality();
  const sound = v.captureStream ? v.captureStream().getAudioTracks().length > 0 : false;
  fetch("report", {method: "POST", body: JSON.stringify({ended, error, seconds: v.currentTime,
    duration: Number.isFinite(v.duration) ? v.duration : null, frames: q.totalVideoFrames,
    width: v.videoWidth, height: v.videoHeight, sound})});
}
v.onended = () => report(true, "");
v.onerror = () => report(false, v.error.message);
v.play().catch(fault => report(false, String(fault)));
</script>"""


@dataclass(frozen=True, slots=True)
class PlayReport:
    """What the page saw: whether it came to the end, where it was then, and the browser's words for an error."""

    ended: bool
    error: str
    seconds: float
    duration: float | None
    frames: int
    width: int
    height: int
    sound: bool


def plays_to_end(path: Path, timeout_s: float = 120) -> PlayReport:
    """Plays ``path`` at its own speed until it ends or fails; skips the test where there is no Chromium."""
    browser = _browser()
    with _served(path) as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        address = f"http://127.0.0.1:{server.server_port}/"
        command = [browser, *_FLAGS, f"--user-data-dir={profile}", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                assert server.reported.wait(timeout_s), f"the browser did not finish {path.name} in {timeout_s:.0f} s"
            finally:
                process.terminate()
    return PlayReport(**server.report)


def document_of(page: Path, timeout_s: float = 60) -> str:
    """The document that a local page has become once its scripts have run; skips where there is no Chromium."""
    browser = _browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=True)
    return done.stdout


def _browser() -> str:
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return browser


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = path.read_bytes()
        self.report: dict[str, Any] = {}
        self.reported = threading.Event()


@contextmanager
def _served(path: Path) -> Iterator[_Server]:
    server = _Server(path)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """The page, the film (also in ranges, as every web server gives it) and the place for the report."""

    server: _Server

    def do_GET(self) -> None:
        if self.path == "/":
            self._send(200, "text/html", _PAGE)
        elif self.path == "/film.mp4":
            self._film()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.reported.is_set():
            self.server.report = json.loads(body)
            self.server.reported.set()
        self._send(204, "text/plain", b"")

    def _film(self) -> None:
        data, asked = self.server.data, self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            self._send(200, "video/mp4", data)
            return
        first, _, last = asked.partition("-")
        begin, end = int(first), min(int(last) + 1 if last else len(data), len(data))
        self._send(206, "video/mp4", data[begin:end], f"bytes {begin}-{end - 1}/{len(data)}")

    def _send(self, status: int, kind: str, body: bytes, content_range: str = "") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # a browser leaves a transfer when it has seen enough of it
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class calls it so)
        """Says nothing."""
