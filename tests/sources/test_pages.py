"""Videos behind pages: yt-dlp itself on pages of ours, and what sites say when there is nothing to be seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import yt_dlp.extractor.generic
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import ExtractorError, GeoRestrictedError

from contracts import backoff
from contracts.errors import SourceError, UsageError
from contracts.live import Patience
from sources.names import name_of
from sources.open import open_source
from sources.pages import is_page, open_page, page_of
from sources.youtube import find_media
from tests.support.numbered_video import mp4, number_of
from tests.support.web import Quiet, serving

SOON = Patience(open_s=10, read_s=5, reconnect=2)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_S", 0.01)


@dataclass
class Site:
    """A page with a video whose address holds for so many requests; then another one is told, and the old is refused.

    cut: bytes after which a body ends, for the first so many bodies.
    """

    body: bytes
    holds: int = 10**6
    cut: int = 0
    cuts: int = 0
    url: str = ""
    page_asked: int = 0
    video_asked: int = 0
    refused: int = 0
    token: int = 0
    left: int = 0
    agents: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def page_site(body: bytes, **options: Any) -> Iterator[Site]:
    site = Site(body, **options)

    class Handler(Quiet):
        def do_HEAD(self) -> None:  # noqa: N802  # http.server's name
            self.do_GET()

        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            with site.lock:
                path = self.path.partition("?")[0]
                if path == "/watch":
                    self._page()
                elif path == "/empty":
                    self._send(200, "text/html", b"<html><title>Nothing</title><p>no video here</p></html>")
                else:
                    self._video(path)

        def _page(self) -> None:
            site.page_asked += 1
            site.token, site.left = site.token + 1, site.holds
            text = f"<html><title>Drive</title><video src='/v{site.token}.mp4?sig=geheim{site.token}'></video></html>"
            self._send(200, "text/html; charset=utf-8", text.encode())

        def _video(self, path: str) -> None:
            site.agents.add(self.headers.get("User-Agent", ""))
            if path != f"/v{site.token}.mp4" or site.left <= 0:
                site.refused += 1
                self._send(403, "text/plain", b"expired")
                return
            site.video_asked += 1
            site.left -= self.command == "GET"
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
            part = site.body[start:]
            head = {"Content-Range": f"bytes {start}-{len(site.body) - 1}/{len(site.body)}", "Accept-Ranges": "bytes"}
            cut = site.cut if site.cuts and self.command == "GET" and len(part) > site.cut else None
            site.cuts -= cut is not None
            self._send(206 if asked else 200, "video/mp4", part, head, cut)

        def _send(
            self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:cut])
            self.close_connection = cut is not None

    with serving(Handler) as address:
        site.url = f"http://{address}/watch"
        yield site


def numbers(source: Any) -> list[int | None]:
    try:
        return [number_of(frame) for frame in source.frames()]
    finally:
        source.close()


def test_the_video_of_a_page_is_found_by_ytdlp_and_every_picture_given() -> None:
    with page_site(mp4(60)) as site:
        source = open_source(site.url, patience=SOON)
        assert not source.info.live
        assert source.info.uri == site.url
        assert numbers(source) == list(range(60))
        assert site.page_asked >= 1


def test_it_begins_where_one_likes() -> None:
    with page_site(mp4(60)) as site:
        assert numbers(open_source(site.url, start=1.0, patience=SOON)) == list(range(25, 60))


def test_an_address_that_has_run_out_is_asked_for_again_and_goes_on_at_the_same_picture() -> None:
    body = mp4(200, gop=1, noisy=True)
    with page_site(body, holds=2, cut=len(body) // 3, cuts=3) as site:
        source = open_page(site.url, site.url, Patience(10, 5, 5))  # bodies that begin at 0 are cut at the same place
        assert numbers(source) == list(range(200))
        assert source.losses.reconnects >= 1
        assert site.page_asked >= 2
        assert site.refused >= 1


def test_a_page_without_a_video_is_said_to_be_one() -> None:
    with (
        page_site(b"") as site,
        pytest.raises(SourceError, match="is a web page, not a video, and none is found on it"),
    ):
        open_source(site.url.replace("/watch", "/empty"), patience=SOON)


def test_no_address_with_its_signature_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    with page_site(b"no video at all" * 100) as site, pytest.raises(SourceError) as caught:
        open_page(site.url, site.url, SOON)
    chain: list[BaseException] = [caught.value]
    while (further := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(further)
    assert "geheim" not in "".join(map(repr, chain)) + "".join(map(str, chain)) + caplog.text
    assert site.url in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "words", "tries_again"),
    [
        (ExtractorError("Private video. Sign in if you've been granted access", expected=True), "is private", False),
        (
            ExtractorError("Video unavailable. This video has been removed by the uploader", expected=True),
            "not there",
            False,
        ),
        (ExtractorError("This live event will begin in 3 hours.", expected=True), "has not begun", True),
        (ExtractorError("Premieres in 20 minutes", expected=True), "has not begun", True),
        (ExtractorError("The channel is not currently live", expected=True), "is not live at the moment", False),
        (
            ExtractorError("Sign in to confirm you're not a bot. Use --cookies", expected=True),
            "takes this machine for a",
            True,
        ),
        (ExtractorError("Sign in to confirm your age", expected=True), "adults", False),
        (
            ExtractorError("Join this channel to get access to members-only content", expected=True),
            "members only",
            False,
        ),
        (ExtractorError("This video is DRM protected", expected=True), "protected against copying", False),
        (
            GeoRestrictedError("The uploader has not made this video available in your country"),
            "in this country",
            False,
        ),
        (TransportError("Failed to resolve 'www.youtube.com'"), "cannot be asked", True),
        (ExtractorError("Unable to extract player response"), r"yt-dlp 20\d\d.* → sites change: pip install -U", True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_sites_say(monkeypatch: pytest.MonkeyPatch, raised: Exception, words: str, tries_again: bool) -> None:
    """Through the whole of yt-dlp, from the extractor of a site on."""
    asked = 0

    def extract(*_: object) -> None:
        nonlocal asked
        asked += 1
        raise raised

    monkeypatch.setattr(yt_dlp.extractor.generic.GenericIE, "_real_extract", extract)
    with pytest.raises(SourceError, match=words) as caught:
        open_page("http://127.0.0.1:9/watch", "http://127.0.0.1:9/watch", Patience(5, 5, 1))
    assert caught.value.cure
    assert "please report" not in str(caught.value)
    assert asked == (2 if tries_again else 1)


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(self: Any, *_: object) -> None:
        self.report_warning("No supported JavaScript runtime could be found. Only deno is enabled by default")
        raise ExtractorError("Requested format is not available")

    monkeypatch.setattr(yt_dlp.extractor.generic.GenericIE, "_real_extract", extract)
    with pytest.raises(SourceError, match=r"without a JavaScript runtime → .*deno .*2\.3.*Node\.js 22"):
        find_media("http://127.0.0.1:9/watch", "page", 5)


def test_the_best_of_several_is_h264_of_at_most_1080_rows_in_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def form(name: str, height: int, codec: str, protocol: str) -> dict[str, Any]:
        sound = {"acodec": "none"} if "v" in name else {"acodec": "mp4a"}
        return {
            "format_id": name,
            "height": height,
            "vcodec": codec,
            "protocol": protocol,
            "url": f"http://x/{name}",
            **sound,
        }

    forms = [
        form("b360", 360, "avc1.42", "https"),
        form("v1080", 1080, "avc1.64", "https"),
        form("v1080hls", 1080, "avc1.64", "m3u8_native"),
        form("v1080vp9", 1080, "vp9", "https"),
        form("v2160", 2160, "avc1.64", "https"),
    ]

    def extract(*_: object) -> dict[str, Any]:
        return {"id": "x", "title": "x", "formats": forms, "live_status": "not_live"}

    monkeypatch.setattr(yt_dlp.extractor.generic.GenericIE, "_real_extract", extract)
    assert find_media("http://127.0.0.1:9/watch", "page", 5).url == "http://x/v1080"
    forms[:] = [form("live", 720, "avc1.4d", "m3u8_native")]
    assert find_media("http://127.0.0.1:9/watch", "page", 5).url == "http://x/live"
    forms[:] = [form("dash", 720, "avc1.4d", "http_dash_segments")]
    with pytest.raises(SourceError):
        find_media("http://127.0.0.1:9/watch", "page", 5)


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", True),
        ("https://youtu.be/dQw4w9WgXcQ?t=10", True),
        ("https://m.youtube.com/live/dQw4w9WgXcQ", True),
        ("https://www.youtube.com/@road/live", True),
        ("https://notyoutube.com/watch?v=dQw4w9WgXcQ", False),
        ("http://camera/youtube.com", False),
    ],
)
def test_which_addresses_are_pages_from_the_start(uri: str, page: bool) -> None:
    assert is_page(uri) is page


def test_the_id_of_a_video_is_its_id() -> None:
    for uri in ("youtube:dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://youtu.be/dQw4w9WgXcQ"):
        assert name_of(uri) == "youtube-dQw4w9WgXcQ"


@pytest.mark.parametrize("uri", ["youtube:", "youtube:short", "youtube:dQw4w9WgXcQ&t=10", "youtube:../../etc/pass"])
def test_what_is_no_video(uri: str) -> None:
    with pytest.raises(UsageError, match="no video of YouTube"):
        page_of(uri)
    with pytest.raises(UsageError, match="no video of YouTube"):
        open_source(uri)


def test_without_ytdlp_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yt_dlp", None)
    with pytest.raises(SourceError, match=r"needs yt-dlp, which is not installed → pip install"):
        open_source("youtube:dQw4w9WgXcQ")


def test_addresses_of_one_try_do_not_repeat() -> None:
    """What is asked for again is a new address, not the one that has run out."""
    with page_site(mp4(10)) as site:
        urls = [find_media(site.url, "page", 5).url for _ in range(3)]
        assert all(one != other for one, other in pairwise(urls))
