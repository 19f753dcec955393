"""Web servers whose body never ends by itself: MJPEG, and MP4 in fragments and chunks."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Literal

from tests.support.numbered_video import RATE, SIZE, NumberedVideo, jpeg
from tests.support.web import Quiet, let_in, serving

_BOUNDARY = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"


@dataclass
class LiveWeb:
    """What it serves and how it fails; changed by tests while it runs. Picture n is due at epoch_ns + n / rate.

    silent: it goes on holding its connections and says nothing. generation: raise it to cut every connection.
    pictures: of each answer, after which it ends in order; None: for ever. status: answer this instead.
    """

    kind: Literal["mjpeg", "fragments"] = "mjpeg"
    size: tuple[int, int] = SIZE
    rate: int = RATE
    login: tuple[str, str] | None = None
    pictures: int | None = None
    silent: bool = False
    generation: int = 0
    status: int | None = None
    requests: int = 0
    url: str = ""
    epoch_ns: int = field(default_factory=time.monotonic_ns)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def live_web(*, tls: ssl.SSLContext | None = None, **options: object) -> Iterator[LiveWeb]:
    """A server at ``state.url`` for as long as the block lasts."""
    state = LiveWeb(**options)  # type: ignore[arg-type]

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            state.requests += 1
            if state.status is not None:
                self.send_error(state.status)
            elif let_in(self, state.login):
                (_mjpeg if state.kind == "mjpeg" else _fragments)(self, state)
            self.close_connection = True

    with serving(Handler, tls) as address:
        state.url = f"http{'s' if tls else ''}://{address}/cgi/stream?channel=1"
        try:
            yield state
        finally:
            state.ended.set()


def _numbers(state: LiveWeb) -> Iterator[int]:
    """Each number when its picture is due, until the connection is to be cut; nothing while it is silent."""
    generation, given = state.generation, 0
    number = (time.monotonic_ns() - state.epoch_ns) * state.rate // 1_000_000_000
    while given != state.pictures:
        number += 1
        wait_ns = state.epoch_ns + number * 1_000_000_000 // state.rate - time.monotonic_ns()
        if state.ended.wait(max(0, wait_ns) / 1e9) or state.generation != generation:
            raise ConnectionAbortedError
        if not state.silent:
            given += 1
            yield number


def _mjpeg(handler: BaseHTTPRequestHandler, state: LiveWeb) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    handler.end_headers()
    for number in _numbers(state):
        picture = jpeg(number, state.size)
        handler.wfile.write(_BOUNDARY % (len(picture), picture))
    handler.wfile.write(b"--frame--\r\n")


class _Chunks:
    """A file whose writes are chunks of an HTTP body."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._file = handler.wfile

    def write(self, data: bytes) -> int:
        self._file.write(b"%x\r\n%s\r\n" % (len(data), data))
        return len(data)


def _fragments(handler: BaseHTTPRequestHandler, state: LiveWeb) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "video/mp4")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    movflags = "frag_every_frame+empty_moov+default_base_moof"
    options = {"movflags": movflags, "flush_packets": "1"}
    video = NumberedVideo(_Chunks(handler), "mp4", size=state.size, rate=state.rate, options=options)
    try:
        for number in _numbers(state):
            video.add([number])
    except ConnectionAbortedError:
        handler.wfile = type("Gone", (), {"write": len, "flush": bool, "close": bool, "closed": False})  # type: ignore[assignment]
        raise
    finally:
        with suppress(OSError):
            video.close()
    handler.wfile.write(b"0\r\n\r\n")
