"""What is told to FFmpeg of a media server's URL, and what is shown of it."""

from __future__ import annotations

import pytest

from contracts.errors import UsageError
from outputs.push_address import Address


@pytest.mark.parametrize(
    ("uri", "url", "shown", "format_"),
    [
        ("rtsp://host:8554/cam", "rtsp://host:8554/cam", "rtsp://host:8554/cam", "rtsp"),
        ("RTSPS://host/cam", "rtsps://host/cam", "RTSPS://host/cam", "rtsp"),
        ("rtsp://[::1]:8554/cam", "rtsp://[::1]:8554/cam", "rtsp://[::1]:8554/cam", "rtsp"),
        ("rtsp://me:se@cret@host/cam", "rtsp://me:se@cret@host/cam", "rtsp://host/cam", "rtsp"),
        ("rtsp://me:${PUSH_PW}@host/cam", "rtsp://me:a%2Fb%40c@host/cam", "rtsp://host/cam", "rtsp"),
        ("rtmp://host/live/k3y", "rtmp://host/live/k3y", "rtmp://host/live/…", "flv"),
        ("rtmp://host/app/a", "rtmp://host/app/a", "rtmp://host/app/…", "flv"),
        ("rtmp://host/live/k3y/", "rtmp://host/live/k3y/", "rtmp://host/live/…/", "flv"),
        ("rtmps://host/app/k3y?pass=word1", "rtmps://host/app/k3y?pass=word1", "rtmps://host/app/…?pass=…", "flv"),
        ("rtmp://host/live/${PUSH_KEY}", "rtmp://host/live/live_1_x", "rtmp://host/live/${PUSH_KEY}", "flv"),
    ],
)
def test_urls(monkeypatch: pytest.MonkeyPatch, uri: str, url: str, shown: str, format_: str) -> None:
    monkeypatch.setenv("PUSH_PW", "a/b@c")
    monkeypatch.setenv("PUSH_KEY", "live_1_x")
    address = Address.of(uri)
    assert (address.url, address.shown, address.format) == (url, shown, format_)


@pytest.mark.parametrize(
    ("uri", "url", "checked"),
    [
        ("rtsps://host/cam", "rtsps://host/cam", True),
        ("rtsps://host/cam#insecure", "rtsps://host/cam", False),
        ("RTMPS://host/app/k3y#insecure", "rtmps://host/app/k3y", False),
        ("rtmps://host/app/k3y", "rtmps://host/app/k3y", True),
        ("rtsp://host/cam", "rtsp://host/cam", False),
        ("rtsp://host/cam#insecure", r"#insecure is for rtsps:// and rtmps://", None),
        ("rtsps://host/cam#insecur", "what stands behind the # in the address at 'rtsps://host' says nothing", None),
        ("rtmps://host/app/k3y#insecur", "at 'rtmps://host' says nothing", None),
        ("rtmps://host/app/${PUSH_KEY}#insecur", "at 'rtmps://host' says nothing", None),
        ("rtmps://host/app/wh#k3y", "at 'rtmps://host' says nothing", None),
        ("rtmps://host:x/app/k3y", "push rtmps://host:x: no host, or a port that is none", None),
        ("rtmpps://host/app/k3y", "push rtmpps://host: no media server's URL", None),
        ("rtmps://me:pass@host/app/k3y#insecure", "rtmps://me:pass@host/app/k3y", False),
        ("rtmps://me:pass@host/app/k3y", "push rtmps://host/app/…: with a login before the host no certificate", None),
        ("rtsps://me:pass#word@host/cam", "a # ends the address", None),
    ],
)
def test_whose_certificate_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, uri: str, url: str, checked: bool | None
) -> None:
    monkeypatch.setenv("PUSH_KEY", "k3y")
    if checked is None:
        with pytest.raises(UsageError, match=url) as raised:
            Address.of(uri)
        assert "pass" not in raised.value.message
        assert "k3y" not in raised.value.message
        return
    address = Address.of(uri)
    assert (address.url, address.checked) == (url, checked)
    assert "#" not in address.shown


def test_a_key_goes_from_what_ffmpeg_says() -> None:
    address = Address.of("rtmp://host/live/k3y")
    assert address.without_secrets("Server error: k3y is taken") == "Server error: … is taken"
