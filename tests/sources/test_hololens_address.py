"""hl2ss:// as people write it."""

from __future__ import annotations

import pytest

from contracts.errors import UsageError
from sources.hololens.address import Hl2ssAddress
from sources.hololens.messages import VideoWish

USUAL = VideoWish(1280, 720, 30, "h264", 4_423_680)


@pytest.mark.parametrize(
    ("uri", "host", "wish", "depth"),
    [
        ("hl2ss://192.168.1.20", "192.168.1.20", USUAL, True),
        ("hl2ss://HOLOLENS-AB12/", "hololens-ab12", USUAL, True),
        ("hl2ss://[fe80::1]?depth=none", "fe80::1", USUAL, False),
        ("hl2ss://h?size=1920x1080&format=hevc", "h", VideoWish(1920, 1080, 30, "hevc", 4_976_640), True),
        ("hl2ss://h?fps=15", "h", VideoWish(1280, 720, 15, "h264", 2_211_840), True),
        ("hl2ss://h?bitrate=2.5M&depth=longthrow", "h", VideoWish(1280, 720, 30, "h264", 2_500_000), True),
        ("hl2ss://h?bitrate=800k", "h", VideoWish(1280, 720, 30, "h264", 800_000), True),
        ("hl2ss://h?bitrate=12345", "h", VideoWish(1280, 720, 30, "h264", 12_345), True),
    ],
)
def test_what_is_written_is_what_is_meant(uri: str, host: str, wish: VideoWish, depth: bool) -> None:
    assert Hl2ssAddress.parse(uri) == Hl2ssAddress(host, wish, depth)


@pytest.mark.parametrize(
    ("uri", "message", "cure"),
    [
        ("hl2ss:", "names no host", "write hl2ss://"),
        ("hl2ss://", "names no host", "write hl2ss://"),
        ("hl2ss://[fe80", "names no host", "write hl2ss://"),
        ("hl2ss://h:3810", "ports are fixed", "write hl2ss://"),
        ("hl2ss://h:x", "port of hl2ss:// is no number", "write hl2ss://"),
        ("hl2ss://me:secret-7@h", "no user and no password", "hololens://"),
        ("hl2ss://h/video", "only ?options", "write hl2ss://"),
        ("hl2ss://h?size=big", "not WIDTHxHEIGHT", "1280x720"),
        ("hl2ss://h?size=321x240", "odd", "1280x720"),
        ("hl2ss://h?size=20x20", "out of bounds", "64"),
        ("hl2ss://h?fps=0", "out of bounds", "between 1 and 60"),
        ("hl2ss://h?fps=29.97", "not a whole number", "fps=7"),
        ("hl2ss://h?format=vp9", "unknown format 'vp9'", "h264"),
        ("hl2ss://h?bitrate=fast", "bitrate 'fast'", "bitrate=4M"),
        ("hl2ss://h?bitrate=0", "bitrate '0'", "bitrate=4M"),
        ("hl2ss://h?bitrate=5000M", "bitrate '5000M'", "bitrate=4M"),
        ("hl2ss://h?depth=yes", "unknown depth 'yes'", "longthrow"),
        ("hl2ss://h?siz=1280x720", "unknown option 'siz'", "size"),
    ],
)
def test_what_makes_no_sense_is_said_with_a_cure(uri: str, message: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        Hl2ssAddress.parse(uri)
    assert message in caught.value.message
    assert cure in caught.value.cure
    assert "secret-7" not in str(caught.value)
