"""Which source a URI means, and what is said when it means none."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UsageError
from sources.open import open_source
from sources.video import VideoFileSource
from tests.sources.making_videos import make_video


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "this version reads video files, pictures"),
        ("gopher://camera/1", "kind .gopher:.*this version reads video files, pictures"),
        ("htpps://host/clip.mp4", "did you mean .https:"),
        ("camara:0", "did you mean 'camera:'"),
        ("generater:a.onnx", "did you mean 'generator:'"),
        ("synthetik:night", "did you mean 'synthetic:'"),
    ],
)
def test_what_this_version_does_not_read(uri: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_source(uri)
    assert caught.value.exit_code == 2


def test_a_password_in_a_uri_is_not_printed() -> None:
    with pytest.raises(UsageError) as caught:
        open_source("gopher://user:secret@camera/1?token=secret")
    assert "secret" not in str(caught.value)


def test_a_path_is_a_video_file(tmp_path: Path) -> None:
    make_video(tmp_path / "a:b.mp4", 10)
    source = open_source(str(tmp_path / "a:b.mp4"), start=0.2)
    assert isinstance(source, VideoFileSource)
    assert len(list(source.frames())) == 5
    source.close()


def test_a_relative_path_with_a_colon_is_a_file_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "drive:1.mp4", 3)
    source = open_source("drive:1.mp4", loop=True)
    assert source.info.id == "drive:1"
    source.close()


@pytest.mark.parametrize(("options", "words"), [({"start": 1.0}, "start"), ({"loop": True}, "loop")])
def test_what_the_synthetic_drive_cannot(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_source("synthetic:", start=options.get("start", 0.0), loop=bool(options.get("loop")))
