"""Files that cannot be read: one line with the cure, exit code 3, and not a word from FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.errors import RoadStreamError, SourceError, UsageError
from sources.open import open_source
from sources.video import VideoFileSource
from tests.sources.making_videos import make_video

Make = Callable[[Path], Path]


def _file(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _sound_only(folder: Path) -> Path:
    with av.open(str(folder / "sound.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        for _ in range(10):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate = 48000
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return folder / "sound.m4a"


def _no_frames(folder: Path) -> Path:
    """The beginning of a fragmented recording: a header, and no fragment."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    clip = make_video(folder / "none.mp4", 20, options={"g": "5"}, container_options=options)
    content = clip.read_bytes()
    clip.write_bytes(content[: content.index(b"moof") - 4])
    return clip


def _cut_off_before_the_index(folder: Path) -> Path:
    clip = make_video(folder / "cut.mp4", 20)
    os.truncate(clip, clip.stat().st_size // 2)
    return clip


def _only_garbage_inside(folder: Path) -> Path:
    clip = make_video(folder / "garbage.mp4", 20, container_options={"movflags": "faststart"})
    content = clip.read_bytes()
    begin = content.index(b"mdat") + 4
    clip.write_bytes(content[:begin] + bytes(len(content) - begin))
    return clip


def _misspelt(folder: Path) -> Path:
    make_video(folder / "motorway.mp4", 2)
    return folder / "motorwya.mp4"


def _subfolder(folder: Path) -> Path:
    (folder / "clips").mkdir()
    return folder / "clips"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _below_a_file(folder: Path) -> Path:
    make_video(folder / "clip.mp4", 2)
    return folder / "clip.mp4" / "clip.mp4"


def _unreadable(folder: Path) -> Path:
    clip = make_video(folder / "clip.mp4", 2)
    clip.chmod(0)
    return clip


CASES: list[tuple[str, Make, str, str]] = [
    ("missing", lambda folder: folder / "no.mp4", "no such file: .*no.mp4", "check the path"),
    ("misspelt", _misspelt, "no such file", "did you mean '.*motorway.mp4'"),
    ("no folder", lambda folder: folder / "no" / "clip.mp4", "no such file", "there is no folder .*no"),
    ("below a file", _below_a_file, "no such file", "there is no folder .*clip.mp4"),
    ("folder", _subfolder, "no picture in the folder", "a video is named by itself"),
    ("pipe", _pipe, "not a file", "name a video file"),
    ("endless name", lambda folder: folder / ("x" * 300 + ".mp4"), "name too long", "check"),
    ("unreadable", _unreadable, "cannot read", "permissions"),
    ("empty", _file("empty.mp4", b""), "empty .0 bytes.", "copy or record it again"),
    ("text", _file("text.mp4", b"this is no video\n" * 50), "not a video", "name a video file"),
    ("text by name", _file("notes.txt", b"this is no video\n" * 50), "is text", "name a video file"),
    ("noise", _file("noise.mp4", np.random.default_rng(1).bytes(5000)), "not a video", "name a video file"),
    ("playlist", _file("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"), "not a video", "name"),
    ("sound only", _sound_only, "has sound but no video", "video stream"),
    ("no frames", _no_frames, "not one frame", "record it again"),
    ("cut off", _cut_off_before_the_index, "not a video", "cut off before it was finished"),
    ("garbage inside", _only_garbage_inside, "not one frame", "record it again"),
]

_AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.mark.parametrize(
    ("make", "message", "cure"),
    [pytest.param(*case[1:], id=case[0], marks=[_AS_ROOT] if case[0] == "unreadable" else []) for case in CASES],
)
def test_one_line_with_the_cure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Make, message: str, cure: str
) -> None:
    path = make(tmp_path)
    capfd.readouterr()  # what making the file said
    with pytest.raises(SourceError, match=r"(?i)" + message) as caught:
        open_source(str(path))
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match=cure):
        raise SourceError(caught.value.cure)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        (2.0, SourceError, "no frame from 2 s on.*it is 2.0. s long"),
        (1e9, SourceError, "no frame from 1e.09 s on"),
        (-1.0, UsageError, "cannot start at -1"),
        (float("nan"), UsageError, "cannot start at nan"),
        (float("inf"), UsageError, "cannot start at inf"),
    ],
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_a_start_that_is_not_there(
    tmp_path: Path, name: str, start: float, error: type[RoadStreamError], words: str
) -> None:
    clip = make_video(tmp_path / name, 50, options={"bf": "0"})
    with pytest.raises(error, match=words):
        VideoFileSource(clip, start=start)


def test_names_that_look_like_protocols_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("part:2.mp4", "http:clip.mp4", "100%d.mp4", "ümlaut ☂.mp4", "-.mp4"):
        make_video(tmp_path / "clip.mp4", 2).rename(tmp_path / name)
        assert len(list(VideoFileSource(Path(name)).frames())) == 2


def test_a_title_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mp4", 5)
    content = clip.read_bytes()
    assert content.count(b"Lavf") == 1  # the name of the muxer, in the file's metadata
    clip.write_bytes(content.replace(b"Lavf", b"\xff\xfe\xf2\xe4"))
    assert len(list(VideoFileSource(clip).frames())) == 5
