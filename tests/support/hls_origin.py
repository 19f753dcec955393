"""An HLS origin: a list of segments that slides on in real time, freezes, ends, or has been whole from the start."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.numbered_video import RATE, SIZE, NumberedVideo
from tests.support.web import Quiet, let_in, serving

_MIME = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".m4s": "video/mp4", ".mp4": "video/mp4"}


@dataclass
class HlsOrigin:
    """What it serves, and how it fails. Picture n of a live list is due at epoch_ns + n / rate.

    folder: its files. window: segments in a live list. frozen: the list no longer changes. missing: names of files that
    are not found. asked: paths, in order. options: more for FFmpeg's writer.
    """

    folder: Path
    size: tuple[int, int] = SIZE
    rate: int = RATE
    segment_s: float = 1.0
    window: int = 6
    login: tuple[str, str] | None = None
    kind: str = "mpegts"
    frozen: bool = False
    missing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    url: str = ""
    epoch_ns: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def finish(self) -> None:
        """Stop and put the end mark under the list."""
        self.ended.set()

    def video(self, **options: str) -> NumberedVideo:
        """A list to be written, with segments of ``segment_s``."""
        gop = round(self.segment_s * self.rate)
        options = {"hls_time": str(self.segment_s), "hls_segment_type": self.kind, **self.options, **options}
        target: Any = str(self.folder / "list.m3u8")
        return NumberedVideo(target, "hls", size=self.size, rate=self.rate, gop=gop, options=options)


@contextmanager
def finite_hls(folder: Path, count: int, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[HlsOrigin]:
    """A whole list of pictures 0 to count - 1, with its end mark."""
    origin = HlsOrigin(folder, **options)
    video = origin.video(hls_list_size="0", hls_playlist_type="vod")
    video.add(range(count))
    video.close()
    with _served(origin, tls):
        yield origin


@contextmanager
def live_hls(folder: Path, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[HlsOrigin]:
    """A list that is written in real time; it has its first segments when the block begins."""
    origin = HlsOrigin(folder, **options)
    ahead = round(3 * origin.segment_s * origin.rate) + 1
    origin.epoch_ns = time.monotonic_ns() - ahead * 1_000_000_000 // origin.rate
    flags = "delete_segments+omit_endlist+independent_segments+temp_file"
    video = origin.video(hls_list_size=str(origin.window), hls_flags=flags, hls_delete_threshold="3")
    video.add(range(ahead))
    closing = threading.Event()
    thread = threading.Thread(target=_write, args=(origin, video, ahead, closing))
    thread.start()
    try:
        with _served(origin, tls):
            yield origin
    finally:
        closing.set()
        thread.join(30)


def _write(origin: HlsOrigin, video: NumberedVideo, number: int, closing: threading.Event) -> None:
    while not (closing.is_set() or origin.ended.is_set()):
        due_ns = origin.epoch_ns + number * 1_000_000_000 // origin.rate
        closing.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)
        if not origin.frozen:
            video.add([number])
        number += 1
    video.close()
    if origin.ended.is_set():
        path = origin.folder / "list.m3u8"
        path.write_text(path.read_text() + "#EXT-X-ENDLIST\n")


@contextmanager
def _served(origin: HlsOrigin, tls: ssl.SSLContext | None) -> Iterator[None]:
    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            origin.asked.append(self.path)
            if origin.status is not None:
                self.send_error(origin.status)
            elif let_in(self, origin.login):
                _send(self, origin)

    with serving(Handler, tls) as address:
        origin.url = f"http{'s' if tls else ''}://{address}/live/list.m3u8"
        yield


def _send(handler: BaseHTTPRequestHandler, origin: HlsOrigin) -> None:
    name = handler.path.partition("?")[0].rpartition("/")[2]
    try:
        if name in origin.missing:
            raise FileNotFoundError
        body = (origin.folder / name).read_bytes()
    except OSError:
        handler.send_error(404)
        return
    handler.send_response(200)
    handler.send_header("Content-Type", _MIME.get(Path(name).suffix, "application/octet-stream"))
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
