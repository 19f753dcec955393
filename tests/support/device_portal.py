"""A HoloLens's Device Portal: TLS with a certificate of its own, a login, and live MP4 in fragments and chunks."""

from __future__ import annotations

import base64
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest

from tests.support.hl2ss_device import drawn

SIZES = {"high": (1280, 720), "med": (854, 480), "low": (428, 240)}
RATES = {"high": 30, "med": 30, "low": 15}


@dataclass
class Portal:
    """How it behaves; changed while it runs. generation: raise it to cut every connection.

    ends: answers end in order after so many pictures. instead: bytes sent in place of the video. requests: paths asked.
    """

    login: tuple[str, str] = ("me@home", "p:w#1 secret")
    status: int | None = None
    ends: int | None = None
    silent: bool = False
    instead: bytes | None = None
    generation: int = 0
    port: int = 0
    requests: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


def certificate(folder: Path, name: str = "device") -> tuple[Path, Path]:
    """PEM files of a new self-signed certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=HoloLens",
    ]
    made = ["openssl", "req", "-x509", *kind, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return cert, key


@contextmanager
def portal(files: tuple[Path, Path], host: str = "127.0.0.1", **options: Any) -> Iterator[Portal]:
    """One that listens at ``host:state.port`` for as long as the block lasts. port=0: any that is free."""
    state = Portal(**options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # http.server's name
            self.close_connection = True
            _answer(self, state)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request: Any, client_address: Any) -> None:
            request.settimeout(20)
            with suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

        def handle_error(self, *_: object) -> None:
            pass

    with Server((host, state.port), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="device portal")
        thread.start()
        try:
            yield state
        finally:
            state.ended.set()
            server.shutdown()
            thread.join(20)


def _answer(handler: BaseHTTPRequestHandler, state: Portal) -> None:
    state.requests.append(handler.path)
    wanted = base64.b64encode(":".join(state.login).encode()).decode()
    name = urlsplit(handler.path).path.removeprefix("/api/holographic/stream/live_").removesuffix(".mp4")
    if handler.headers["Authorization"] != f"Basic {wanted}":
        handler.send_error(401)
    elif state.status is not None or name not in SIZES:
        handler.send_error(state.status or 404)
    else:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with suppress(OSError):
            _video(_Chunks(handler), state, name)
            handler.wfile.write(b"0\r\n\r\n")


class _Chunks:
    """A file whose writes are chunks of an HTTP body; nothing more goes out once it is cut."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._file, self.cut = handler.wfile, False

    def write(self, data: bytes) -> int:
        if data and not self.cut:
            self._file.write(b"%x\r\n%s\r\n" % (len(data), data))
        return len(data)


def _video(chunks: _Chunks, state: Portal, name: str) -> None:
    if state.instead is not None:
        chunks.write(state.instead)
        state.ended.wait(60)
        return
    options = {"movflags": "frag_every_frame+empty_moov+default_base_moof", "flush_packets": "1"}
    container = av.open(chunks, "w", format="mp4", container_options=options)
    stream = container.add_stream("libx264", rate=RATES[name], options={"preset": "ultrafast", "tune": "zerolatency"})
    stream.width, stream.height = SIZES[name]
    stream.gop_size = RATES[name]
    stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
    try:
        for seconds in _times(state, RATES[name]):
            frame = av.VideoFrame.from_ndarray(drawn(seconds, *SIZES[name]), format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(seconds * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
    finally:
        chunks.cut = True  # what the muxer writes at its end is not for the client
        with suppress(OSError, av.FFmpegError):
            container.close()


def _times(state: Portal, rate: int, clock: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """Seconds since the beginning at which the next picture is due, until it ends or is cut."""
    generation, began, given = state.generation, clock(), 0
    while given != state.ends:
        if state.ended.wait(1 / rate) or state.generation != generation:
            raise ConnectionAbortedError
        if not state.silent:
            given += 1
            yield clock() - began
