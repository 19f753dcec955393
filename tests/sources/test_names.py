"""What sources are called before they are open: short, fit for files, and nobody's password."""

from __future__ import annotations

from pathlib import Path

import pytest

from sources.names import name_of, unique_names


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("videos/front.mp4", "front"),
        ("C:\\videos\\front.mp4", "C-videos-front"),
        ("my clip (1).mp4", "my-clip-(1)"),
        (".mp4", "mp4"),
        ("0", "camera0"),
        ("camera:1?size=640x480", "camera1"),
        ("camera:/dev/video2?format=mjpeg", "video2"),
        ("-", "stdin"),
        ("synthetic:", "synthetic"),
        ("synthetic:?seed=3", "synthetic"),
        ("synthetic:night?seed=1", "night"),
        ("dataset:data/road?split=val", "road"),
        ("shots/*.jpg?fps=10", "shots"),
        ("shots/", "shots"),
        ("generator:nets/GAN.onnx?count=16", "GAN"),
        ("youtube:dQw4-x", "dQw4-x"),
        ("rtsp://user:p%40ss@10.0.0.5:554/front?token=secret", "10.0.0.5-front"),
        ("rtsp://user:p/a:ss@10.0.0.5/front", "10.0.0.5-front"),
        ("rtsp://user:pass@gate", "gate"),
        ("rtsp://h:8554/a", "h-8554-a"),
        ("rtsp://h/cam/realmonitor?channel=2&subtype=0", "h-cam-realmonitor-channel-2-subtype-0"),
        ("https://www.youtube.com/watch?t=3&v=dQw4w9WgXcQ", "youtube-dQw4w9WgXcQ"),
        ("https://www.youtube.com/@road/live", "www.youtube.com-road-live"),
        ("https://example.org/live/day.m3u8?key=secret", "example.org-live-day.m3u8"),
        ("hololens://me:${PW}@192.168.1.4", "hololens-192.168.1.4"),
        ("rtsp://[fe80::1]/x", "fe80-1-x"),
        ("${CAMERA}", "CAMERA"),
        ("x" * 300 + ".mp4", "x" * 60),
        ("???", "source"),
    ],
)
def test_names(uri: str, name: str) -> None:
    assert name_of(uri) == name


def test_a_file_that_is_there_is_called_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for strange in ("0", "what?.mp4"):
        (tmp_path / strange).write_bytes(b"")
    assert name_of("0") == "0"
    assert name_of("what?.mp4") == "what"


def test_names_are_made_unique_whatever_case_they_have() -> None:
    uris = ["a/x.mp4", "b/X.mp4", "x-2.mp4", "c/x.mkv"]
    assert unique_names(uris) == ["x", "X-2", "x-2-2", "x-3"]
