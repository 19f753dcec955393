"""Damaged files: every frame that one thread can decode comes out, and what is missing is counted."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sources.decoding
from contracts.frame import Frame
from sources.video import VideoFileSource
from sources.videofile import VideoFile
from tests.sources.making_videos import digest, make_video, overwrite, packets, reference

FRAMES = 60
KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {"options": {"bf": "0", "g": "12"}},
    "b-frames.mp4": {"options": {"bf": "3", "g": "12"}},
    "one-group.mp4": {"options": {"bf": "2", "g": "250"}},
    "hevc.mp4": {"codec": "libx265"},
}
Harm = Callable[[Path, random.Random], None]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Undamaged videos whose index comes first, so that a cut leaves them readable."""
    folder = tmp_path_factory.mktemp("whole")
    for name, how in KINDS.items():
        make_video(folder / name, FRAMES, container_options={"movflags": "faststart"}, **how)
    return folder


def cut_off(path: Path, chance: random.Random) -> None:
    position, size = chance.choice(packets(path)[1:])
    os.truncate(path, position + chance.randrange(size))


def scratch(path: Path, chance: random.Random) -> None:
    """Random bytes in up to five packets."""
    for position, size in chance.sample(packets(path)[1:], chance.randint(1, 5)):
        begin = chance.randrange(size)
        overwrite(path, position + begin, chance.randbytes(min(chance.randint(1, 60), size - begin)))


def behead(path: Path, chance: random.Random) -> None:
    """Random bytes where the coded data of up to five packets begins, behind the length (4 bytes)."""
    for position, size in chance.sample(packets(path)[1:], chance.randint(1, 5)):
        overwrite(path, position + 4, chance.randbytes(min(8, size - 4)))


def read(path: Path, **options: Any) -> tuple[VideoFileSource, list[Frame]]:
    source = VideoFileSource(path, **options)
    frames = list(source.frames())
    source.close()
    return source, frames


def ticks(source: VideoFileSource, frames: list[Frame]) -> list[int]:
    return [int((frame.pts + source.info.start) / source.info.time_base) for frame in frames]


def rising(stamps: list[int]) -> list[int]:
    """Beside damage, frames may come out of order: each is moved to behind its predecessor."""
    moved: list[int] = []
    for stamp in stamps:
        moved.append(max(stamp, moved[-1] + 1) if moved else stamp)
    return moved


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("harm", [cut_off, scratch, behead])
@pytest.mark.parametrize("name", KINDS)
def test_every_decodable_frame_and_the_rest_counted(
    whole: Path, tmp_path: Path, name: str, harm: Harm, seed: int
) -> None:
    path = Path(shutil.copy(whole / name, tmp_path))
    harm(path, random.Random(seed))
    decodable = [shown.pts for shown in reference(path) if shown.pts is not None]
    source, frames = read(path)
    assert ticks(source, frames) == rising(decodable)
    assert source.losses.lost == FRAMES - len(decodable)
    assert all(one.index < other.index for one, other in itertools.pairwise(frames))


def test_a_lost_frame_is_a_gap_in_the_index(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole / "plain.mp4", tmp_path))
    position, size = packets(path)[20]
    overwrite(path, position + 4, bytes(size - 4))
    source, frames = read(path)
    assert [frame.index for frame in frames] == [*range(20), *range(21, 60)]
    assert [frame.pts * 25 for frame in frames] == [*range(20), *range(21, 60)]
    assert source.losses.lost == 1


def test_damage_is_said_once(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(shutil.copy(whole / "plain.mp4", tmp_path))
    behead(path, random.Random(1))
    read(path)
    assert len(caplog.records) == 1
    assert "plain.mp4 is damaged or cut off" in caplog.text


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4"])
def test_pictures_far_from_the_damage_are_untouched(whole: Path, tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(whole / name, tmp_path))
    behead(path, random.Random(3))
    sound = {shown.pts: shown.digest for shown in reference(whole / name)}
    expected = {shown.pts for shown in reference(path) if shown.digest == sound[shown.pts]}
    source, frames = read(path)
    got = {
        pts
        for pts, frame in zip(ticks(source, frames), frames, strict=True)
        if digest(frame.picture.av_frame()) == sound.get(pts)
    }
    assert len(expected) > FRAMES // 3
    assert got == expected


@pytest.mark.parametrize("start", [0.4, 0.9, 1.7])
def test_only_what_was_lost_after_the_start_counts(whole: Path, tmp_path: Path, start: float) -> None:
    path = Path(shutil.copy(whole / "plain.mp4", tmp_path))
    for packet in (5, 20, 21, 50):
        position, size = packets(path)[packet]
        overwrite(path, position + 4, bytes(size - 4))
    os.truncate(path, sum(packets(path)[55]))
    source, frames = read(path, start=start)
    first = next(index for index in range(60) if index / 25 >= start and index not in {5, 20, 21, 50})
    expected = [index for index in range(first, 56) if index not in {5, 20, 21, 50}]
    assert [round((frame.pts + source.info.start) * 25) for frame in frames] == expected
    assert source.losses.lost == len(range(first, 60)) - len(expected)


def test_a_damaged_loop_counts_every_pass(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole / "plain.mp4", tmp_path))
    position, size = packets(path)[20]
    overwrite(path, position + 4, bytes(size - 4))
    source = VideoFileSource(path, loop=True)
    stream = source.frames()
    frames = [next(stream) for _ in range(3 * 59)]
    source.close()
    assert source.losses.lost == 3
    assert [frame.pts * 25 for frame in frames] == [index for index in range(180) if index % 60 != 20]
    assert [frame.index for frame in frames] == [index for index in range(180) if index % 60 != 20]


def test_a_long_stretch_without_a_frame_is_counted(tmp_path: Path) -> None:
    how: dict[str, Any] = {"options": {"bf": "0", "g": "12"}, "container_options": {"movflags": "faststart"}}
    path = make_video(tmp_path / "clip.mp4", 400, size=(32, 32), **how)
    for position, size in packets(path)[24:384]:
        overwrite(path, position + 4, bytes(size - 4))
    decodable = [shown.pts for shown in reference(path)]
    source, frames = read(path)
    assert ticks(source, frames) == decodable
    assert [frame.index for frame in frames] == [round(frame.pts * 25) for frame in frames]
    assert source.losses.lost == 400 - len(decodable) >= 360


def test_a_damaged_bare_stream(tmp_path: Path) -> None:
    path = make_video(tmp_path / "bare.h264", FRAMES, options={"bf": "0", "g": "12"})
    for packet in (20, 41):
        position, size = packets(path)[packet]
        overwrite(path, position + 6, b"\xff" * (size - 6))
    decodable = len(reference(path))
    source, frames = read(path)
    assert len(frames) == decodable < FRAMES
    assert source.losses.lost == FRAMES - decodable


def test_a_group_too_long_to_keep_is_still_complete(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit lowered, decoding goes on without frame threads before any damage."""
    monkeypatch.setattr(sources.decoding, "_KEPT_BYTES", 20_000)
    path = Path(shutil.copy(whole / "one-group.mp4", tmp_path))
    cut_off(path, random.Random(5))
    decodable = [shown.pts for shown in reference(path)]
    source, frames = read(path)
    assert ticks(source, frames) == decodable
    assert source.losses.lost == FRAMES - len(decodable)
    _, undamaged = read(whole / "one-group.mp4")
    assert len(undamaged) == FRAMES


def test_packets_are_not_kept_longer_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keyframes let go of what lies before them: a long file of short groups never comes near the limit."""
    path = make_video(tmp_path / "clip.mp4", 200, options={"bf": "2", "g": "10"})
    monkeypatch.setattr(sources.decoding, "_KEPT_BYTES", path.stat().st_size // 3)
    file = VideoFile(path)
    assert sum(1 for _ in iter(file.next, None)) == 200
    assert not file.careful
    file.close()


def test_a_file_that_shrinks_while_it_is_read_ends_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"bf": "2", "g": "12", "preset": "ultrafast", "crf": "4"}
    path = make_video(
        tmp_path / "clip.mp4", FRAMES, size=(320, 180), options=options, container_options={"movflags": "faststart"}
    )
    assert path.stat().st_size > 1 << 20  # well above what FFmpeg reads ahead
    source = VideoFileSource(path)
    frames = source.frames()
    seen = [next(frames) for _ in range(5)]
    os.truncate(path, path.stat().st_size // 2)
    seen += frames
    assert 5 < len(seen) < FRAMES
    assert source.losses.lost == FRAMES - len(seen)
    assert len(caplog.records) == 1
    source.close()
