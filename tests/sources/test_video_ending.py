"""How a video file source ends: closed by anybody at any time, nothing left open."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from contracts.errors import SourceError
from sources.video import VideoFileSource
from tests.sources.making_videos import make_video, overwrite, packets


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("ending") / "clip.mp4", 50, options={"bf": "2", "g": "12"})


def test_close_from_another_thread_ends_the_frames(clip: Path) -> None:
    for wait in range(20):
        source = VideoFileSource(clip, loop=True)
        reached = threading.Event()

        def consume(source: VideoFileSource = source, wait: int = wait, reached: threading.Event = reached) -> None:
            for count, _ in enumerate(source.frames()):
                if count == wait * 7:
                    reached.set()

        thread = threading.Thread(target=consume)
        thread.start()
        assert reached.wait(20)
        source.close()
        thread.join(20)
        assert not thread.is_alive()
        assert list(source.frames()) == []


def test_close_between_two_frames_ends_them(clip: Path) -> None:
    source = VideoFileSource(clip)
    frames = source.frames()
    kept = list(itertools.islice(frames, 5))
    source.close()
    source.close()
    assert list(frames) == []
    assert kept[3].picture.bgr().shape == (64, 96, 3)  # frames given out outlive their source


def test_close_before_the_first_frame(clip: Path) -> None:
    source = VideoFileSource(clip)
    source.close()
    assert list(source.frames()) == []


def test_the_end_closes_the_file_by_itself(clip: Path) -> None:
    process = psutil.Process()
    before = process.num_fds()
    source = VideoFileSource(clip)
    assert process.num_fds() == before + 1
    assert len(list(source.frames())) == 50
    assert process.num_fds() == before
    assert list(source.frames()) == []  # frames are given once
    source.close()


def test_close_while_nobody_reads_closes_at_once(clip: Path) -> None:
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()
    source = VideoFileSource(clip)
    frames = source.frames()
    next(frames)
    source.close()
    assert process.num_fds() == files
    assert process.num_threads() == threads  # the decoder's own are gone, too


def test_nothing_is_left_open(clip: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copy(clip, tmp_path / "damaged.mp4"))
    position, size = packets(damaged)[20]
    overwrite(damaged, position + 4, random.Random(1).randbytes(size - 4))
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()
    for turn in range(200):
        path = damaged if turn % 2 else clip
        source = VideoFileSource(path, start=turn % 5 * 0.3, loop=turn % 3 == 0)
        for _ in itertools.islice(source.frames(), turn % 60):
            pass
        source.close()
        for bad, start in ((tmp_path / "text.mp4", 0.0), (clip, 99.0)):
            with pytest.raises(SourceError):
                VideoFileSource(bad, start=start)
    assert process.num_fds() == files
    assert process.num_threads() == threads


def test_a_looping_file_that_is_deleted_goes_on_for_it_is_still_open(clip: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(clip, tmp_path / "gone.mp4"))
    source = VideoFileSource(path, loop=True)
    frames = source.frames()
    count = sum(1 for _ in VideoFileSource(path).frames())
    path.unlink()
    assert sum(1 for _ in itertools.islice(frames, 3 * count)) == 3 * count
    source.close()


def test_a_looping_stream_that_cannot_seek_is_opened_again_and_missed_when_it_is_gone(tmp_path: Path) -> None:
    path = make_video(tmp_path / "bare.h264", 10)
    source = VideoFileSource(path, loop=True)
    frames = source.frames()
    assert sum(1 for _ in itertools.islice(frames, 25)) == 25
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        list(itertools.islice(frames, 25))
    source.close()
