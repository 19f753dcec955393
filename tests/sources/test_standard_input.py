"""Videos piped in: the same frames as from the file, and no wait that cannot be ended."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import SourceError, UsageError
from contracts.frame import Frame
from sources.open import open_source
from sources.video import VideoFileSource
from tests.sources.making_videos import make_video
from tests.support.program import command

if sys.platform != "win32":
    import fcntl
    import termios

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and terminals as Unix has them")

CONTAINERS: dict[str, dict[str, Any]] = {
    "index-first.mp4": {"container_options": {"movflags": "faststart"}, "audio": True},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "10"}},
    "b-frames.mkv": {"options": {"bf": "3", "g": "12"}},
    "b-frames.ts": {"options": {"bf": "3", "g": "12"}},
    "bare.h264": {"options": {"bf": "2", "g": "12"}},
    "mjpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}},
}


@contextmanager
def piped(data: bytes, monkeypatch: pytest.MonkeyPatch, *, close: bool = True) -> Iterator[None]:
    """Standard input gives ``data``, in small pieces, and then its end (or nothing more)."""
    reading, writing = os.pipe()

    def write() -> None:
        try:
            for start in range(0, len(data), 5000):
                os.write(writing, data[start : start + 5000])
        except BrokenPipeError:
            pass  # nobody wants the rest
        if close:
            os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield
    thread.join()
    if not close:
        os.close(writing)


def same(one: list[Frame], other: list[Frame]) -> bool:
    return [(frame.index, frame.pts) for frame in one] == [(frame.index, frame.pts) for frame in other] and all(
        np.array_equal(plane, twin)
        for frame, match in zip(one, other, strict=True)
        for plane, twin in zip(frame.picture.planes, match.picture.planes, strict=True)
    )


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_frames_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clip = make_video(tmp_path / name, 30, **CONTAINERS[name])
    for start in (0.0, 0.6):
        file = VideoFileSource(clip, start=start)
        with piped(clip.read_bytes(), monkeypatch):
            source = open_source("-", start=start)
            assert same(list(source.frames()), list(file.frames()))
            source.close()
        assert (source.info.start, source.info.width, source.info.rate) == (file.info.start, 96, file.info.rate)
        assert (source.info.id, source.info.uri, source.info.audio) == ("stdin", "-", None)
        assert source.losses.lost == 0


def test_a_file_as_standard_input_may_have_its_index_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_video(tmp_path / "clip.mp4", 20, size=(320, 240))  # more than is looked into for the kind of container
    with clip.open("rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        source = open_source("-", start=0.2)
        assert same(list(source.frames()), list(VideoFileSource(clip, start=0.2).frames()))
    with piped(clip.read_bytes(), monkeypatch), pytest.raises(SourceError, match="index at the end"):
        open_source("-")


def test_a_pipe_that_breaks_gives_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_video(tmp_path / "clip.ts", 40)
    with piped(clip.read_bytes()[: clip.stat().st_size // 2], monkeypatch):
        source = open_source("-")
        assert 5 < len(list(source.frames())) < 40


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "standard input is empty"), (b"no video at all" * 500, "not a video that can be read")]
)
def test_what_is_no_video(monkeypatch: pytest.MonkeyPatch, data: bytes, words: str) -> None:
    with piped(data, monkeypatch), pytest.raises(SourceError, match=words):
        open_source("-")


def test_what_cannot_be_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not in a loop"):
        open_source("-", loop=True)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="closed → pipe a video in"):
        open_source("-")


def test_a_terminal_is_no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    main, terminal = os.openpty()
    with os.fdopen(terminal, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(UsageError, match="terminal → pipe a video in"):
            open_source("-")
    os.close(main)


def test_close_ends_a_wait_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_video(tmp_path / "clip.ts", 60, size=(192, 128))
    with piped(clip.read_bytes(), monkeypatch, close=False):
        source = open_source("-")
        given: list[Frame] = []
        reader = threading.Thread(target=lambda: given.extend(source.frames()))
        reader.start()
        while len(given) < 20:
            time.sleep(0.01)
        source.close()
        reader.join(10)
        assert not reader.is_alive()


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_ctrl_c_ends_a_run_that_waits(tmp_path: Path, share: float) -> None:
    """While the container is looked into, and in the middle of the video."""
    clip = make_video(tmp_path / "clip.ts", 200, size=(192, 128)).read_bytes()
    saved, part = tmp_path / "out.mp4", tmp_path / "out.part.mp4"
    run = subprocess.Popen(
        [*command("-", "--save", saved)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert run.stdin is not None
    run.stdin.write(clip[: max(1, int(len(clip) * share))])
    run.stdin.flush()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (_unread(run.stdin.fileno()) or (share and not part.exists())):
        time.sleep(0.05)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=30)[1].decode()
    assert run.returncode == 130, said
    assert "interrupted" in said
    assert saved.exists() == bool(share)


def _unread(pipe: int) -> int:
    """Bytes in a pipe that nobody has taken out yet."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0])
