"""What is told to FFmpeg of a media server's URL, and what is shown of it."""

from __future__ import annotations

import pytest

from outputs.push_address import Address


@pytest.mark.parametrize(
    ("uri", "url", "shown", "format_"),
    [
        ("rtsp://host:8554/cam", "rtsp://host:8554/cam", "rtsp://host:8554/cam", "rtsp"),
        ("RTSPS://host/cam", "RTSPS://host/cam", "RTSPS://host/cam", "rtsp"),
        ("rtsp://[::1]:8554/cam", "rtsp://[::1]:8554/cam", "rtsp://[::1]:8554/cam", "rtsp"),
        ("rtsp://me:se@cret@host/cam", "rtsp://me:se@cret@host/cam", "rtsp://host/cam", "rtsp"),
        ("rtsp://me:${PUSH_PW}@host/cam", "rtsp://me:a%2Fb%40c@host/cam", "rtsp://host/cam", "rtsp"),
        ("rtmp://host/live/k3y", "rtmp://host/live/k3y", "rtmp://host/live/…", "flv"),
        ("rtmps://host/app/k3y?pass=word1", "rtmps://host/app/k3y?pass=word1", "rtmps://host/app/…?pass=…", "flv"),
        ("rtmp://host/live/${PUSH_KEY}", "rtmp://host/live/live_1_x", "rtmp://host/live/${PUSH_KEY}", "flv"),
    ],
)
def test_urls(monkeypatch: pytest.MonkeyPatch, uri: str, url: str, shown: str, format_: str) -> None:
    monkeypatch.setenv("PUSH_PW", "a/b@c")
    monkeypatch.setenv("PUSH_KEY", "live_1_x")
    address = Address.of(uri)
    assert (address.url, address.shown, address.format) == (url, shown, format_)


def test_a_key_goes_from_what_ffmpeg_says() -> None:
    address = Address.of("rtmp://host/live/k3y")
    assert address.without_secrets("Server error: k3y is taken") == "Server error: … is taken"
