"""Video files: every frame, in order, at its time; compared with a plain one-thread decode."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from contracts.frame import Frame
from contracts.picture import Picture
from sources.video import VideoFileSource
from sources.videofile import VideoFile
from tests.sources.making_videos import make_video, picture, reference

_STEPS = random.Random(3)
UNEVEN = [0, *itertools.accumulate(_STEPS.choice([3, 17, 33, 50, 400]) for _ in range(59))]
"""Milliseconds of 60 frames of variable rate."""

KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {"options": {"bf": "0", "g": "12"}},
    "b-frames.mp4": {"options": {"bf": "3", "g": "20"}},
    "one-group.mp4": {"options": {"bf": "2", "g": "250"}},
    "open-groups.mp4": {"options": {"x264-params": "open-gop=1:keyint=12", "bf": "3"}},
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1", "bf": "2"}},
    "variable.mp4": {"stamps": UNEVEN, "options": {"bf": "2", "g": "15"}},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "10"}},
    "sound.mp4": {"audio": True, "options": {"g": "12"}},
    "ten-bit.mp4": {"pixel_format": "yuv420p10le"},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "b-frames.ts": {"options": {"bf": "3", "g": "12"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "b-frames.mkv": {"options": {"bf": "3", "g": "12"}},
    "b-frames.flv": {"options": {"bf": "2", "g": "12"}},
    "mjpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "mpeg4-b-frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}},
    "vp8-hidden-frames.webm": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "10", "arnr-maxframes": "5", "cpu-used": "8"},
    },
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le"},
}
WITHOUT_STAMPS: dict[str, dict[str, Any]] = {
    "bare.h264": {"options": {"bf": "2", "g": "12"}},
    "bare.hevc": {"codec": "libx265"},
    "b-frames.avi": {"options": {"bf": "3", "g": "12"}},
}


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video of each kind, 60 frames at 25 per second."""
    folder = tmp_path_factory.mktemp("videos")
    for name, how in (KINDS | WITHOUT_STAMPS).items():
        make_video(folder / name, 60, **how)
    return folder


def read(path: Path, **options: Any) -> tuple[VideoFileSource, list[Frame]]:
    source = VideoFileSource(path, **options)
    frames = list(source.frames())
    source.close()
    return source, frames


def ticks(source: VideoFileSource, frames: list[Frame]) -> list[Fraction]:
    """Time stamps on the file's own clock."""
    return [(frame.pts + source.info.start) / source.info.time_base for frame in frames]


def brightness(picture: Picture) -> float:
    return float(picture.planes[0][: picture.height // 4 - 2].mean())


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_at_its_time(videos: Path, name: str) -> None:
    expected = reference(videos / name)
    source, frames = read(videos / name)
    assert len(expected) == 60
    assert ticks(source, frames) == [shown.pts for shown in expected]
    assert [frame.index for frame in frames] == list(range(60))
    assert source.losses.lost == 0
    assert frames[0].pts == 0
    arrivals = [frame.arrival for frame in frames]
    assert arrivals == sorted(arrivals)


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith("vp8")])
@pytest.mark.parametrize("start", [0, Fraction(13, 10)])
def test_undamaged_files_keep_their_frame_threads(videos: Path, name: str, start: Fraction) -> None:
    """Only VP8's hidden frames cannot be told from damage."""
    file = VideoFile(videos / name)
    first = file.next()
    assert first is not None
    if start:
        assert file.skip(first, start) is not None
    while file.next() is not None:
        pass
    assert not file.careful
    file.close()


@pytest.mark.parametrize("name", WITHOUT_STAMPS)
def test_frames_without_time_stamps_follow_the_rate(videos: Path, name: str) -> None:
    source, frames = read(videos / name)
    assert [frame.pts for frame in frames] == [Fraction(index, 25) for index in range(60)]
    assert source.losses.lost == 0
    later, tail = read(videos / name, start=1.0)
    assert [frame.pts for frame in tail] == [Fraction(index, 25) for index in range(35)]
    assert later.info.start == 1
    assert np.array_equal(tail[0].picture.planes[0], frames[25].picture.planes[0])


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4", "b-frames.mkv", "variable.mp4", "fragments.mp4"])
def test_pictures_are_the_right_ones(videos: Path, name: str) -> None:
    _, frames = read(videos / name)
    for index, frame in enumerate(frames):
        made = av.VideoFrame.from_ndarray(picture(index, (96, 64)), "bgr24").reformat(format="yuv420p")
        assert brightness(frame.picture) == pytest.approx(brightness(Picture.from_av(made)), abs=3)


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith(("vp", "prores", "hevc"))])
def test_start_anywhere_gives_the_tail_of_the_whole(videos: Path, name: str) -> None:
    _, whole = read(videos / name)
    for index in [1, 9, 10, 11, 12, 13, 24, 25, 37, 48, 58, 59]:
        source, tail = read(videos / name, start=float(whole[index].pts) - 0.0004)
        assert ticks(source, tail)[0] * source.info.time_base == whole[index].pts + whole[0].source.start
        assert [frame.pts for frame in tail] == [frame.pts - whole[index].pts for frame in whole[index:]]
        assert [frame.index for frame in tail] == list(range(60 - index))
        assert source.losses.lost == 0
        for one, other in zip(tail, whole[index:], strict=True):
            assert np.array_equal(one.picture.planes[0], other.picture.planes[0])


def test_start_given_as_a_decimal_takes_the_frame_at_that_very_time(videos: Path) -> None:
    for index in range(60):
        source, _ = read(videos / "plain.mp4", start=index / 25)
        assert source.info.start == Fraction(index, 25)


def test_what_is_known_about_a_file(videos: Path) -> None:
    source, _ = read(videos / "sound.mp4")
    info = source.info
    assert (info.id, info.uri) == ("sound", str(videos / "sound.mp4"))
    assert (info.width, info.height, info.rotation) == (96, 64, 0)
    assert info.rate == 25
    assert info.frames == 60
    assert not info.live
    assert info.audio == videos / "sound.mp4"
    assert read(videos / "plain.mp4")[0].info.audio is None
    assert read(videos / "plain.mp4", start=1.2)[0].info.frames == 30
    assert read(videos / "b-frames.mkv")[0].info.frames == 60
    assert read(videos / "bare.h264")[0].info.frames is None


def test_the_time_base_of_a_file_is_kept(videos: Path) -> None:
    source, frames = read(videos / "variable.mp4")
    with av.open(str(videos / "variable.mp4")) as container:
        assert source.info.time_base == container.streams.video[0].time_base
    for frame, milliseconds in zip(frames, UNEVEN, strict=True):
        assert abs(frame.pts * 1000 - milliseconds) <= 1


@pytest.mark.parametrize("name", ["b-frames.mp4", "sound.mp4", "variable.mp4", "b-frames.ts", "bare.h264", "vp9.webm"])
def test_loop_goes_on_without_a_seam(videos: Path, name: str) -> None:
    _, once = read(videos / name)
    source = VideoFileSource(videos / name, loop=True)
    frames = list(itertools.islice(source.frames(), 150))
    source.close()
    assert source.info.audio is None
    assert source.info.frames is None
    assert [frame.index for frame in frames] == list(range(150))
    length = frames[60].pts
    assert 0 < length - once[-1].pts <= Fraction(1, 2)  # the last frame is shown for its duration
    for frame in frames:
        turn, index = divmod(frame.index, 60)
        assert frame.pts == turn * length + once[index].pts
        assert np.array_equal(frame.picture.planes[0], once[index].picture.planes[0])


def test_a_loop_of_even_frames_keeps_the_beat(videos: Path) -> None:
    source = VideoFileSource(videos / "b-frames.mp4", start=1.0, loop=True)
    frames = list(itertools.islice(source.frames(), 100))
    source.close()
    assert [frame.pts for frame in frames] == [Fraction(index, 25) for index in range(100)]


def test_a_long_loop_needs_no_more_memory(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mp4", 50, size=(320, 180))
    source = VideoFileSource(clip, loop=True)
    frames = source.frames()
    process = psutil.Process()
    _drop(frames, 500)
    before = process.memory_info().rss
    _drop(frames, 3000)
    assert process.memory_info().rss - before < 20 << 20  # 3,000 of these pictures are 260 MB
    source.close()


def _drop(frames: Iterator[Frame], count: int) -> None:
    for _ in itertools.islice(frames, count):
        pass


def test_recordings_strung_together_are_one(videos: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.ts"
    both.write_bytes((videos / "b-frames.ts").read_bytes() * 2)
    source, frames = read(both)
    assert [frame.pts for frame in frames] == [Fraction(index, 25) for index in range(120)]
    assert source.losses.lost == 0


def test_a_size_that_changes_is_scaled_to_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, videos: Path
) -> None:
    make_video(tmp_path / "small.ts", 20, size=(64, 48))
    (tmp_path / "both.ts").write_bytes((videos / "b-frames.ts").read_bytes() + (tmp_path / "small.ts").read_bytes())
    source, frames = read(tmp_path / "both.ts")
    assert len(frames) == 80
    assert {(frame.picture.width, frame.picture.height) for frame in frames} == {(96, 64)}
    assert caplog.text.count("changes its size") == 1
    assert source.losses.lost == 0


ORIENTATIONS: dict[tuple[int, int, int, int], tuple[int, bool, Callable[[Any], Any]]] = {
    # what the display matrix holds (a, b, c, d) → degrees clockwise, mirrored before, and the picture upright
    (1, 0, 0, 1): (0, False, lambda stored: stored),
    (0, 1, -1, 0): (90, False, lambda stored: np.rot90(stored, -1)),
    (-1, 0, 0, -1): (180, False, lambda stored: np.rot90(stored, 2)),
    (0, -1, 1, 0): (270, False, np.rot90),
    (-1, 0, 0, 1): (0, True, lambda stored: stored[:, ::-1]),
    (0, -1, -1, 0): (90, True, lambda stored: np.rot90(stored[:, ::-1], -1)),
    (1, 0, 0, -1): (180, True, lambda stored: stored[::-1]),
    (0, 1, 1, 0): (270, True, lambda stored: np.swapaxes(stored, 0, 1)),
}
"""np.rot90 counts to the left."""


def _tagged(path: Path, matrix: tuple[float, float, float, float]) -> None:
    """Writes (a, b, c, d) into the MP4's track header: a 3x3 matrix, 16.16 fixed point (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    first = header + 4 + 20 + 8 + 8  # version and flags; times, id, duration; reserved; layer, group, volume
    a, b, c, d = matrix
    for place, value in enumerate([a, b, 0, c, d]):
        position = first + 4 * place
        content[position : position + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_pictures_stand_upright(tmp_path: Path, matrix: tuple[int, int, int, int], pixel_format: str) -> None:
    clip = make_video(tmp_path / "clip.mp4", 5, size=(96, 64), pixel_format=pixel_format)
    _, stored = read(clip)
    _tagged(clip, matrix)
    source, upright = read(clip)
    degrees, mirrored, turn = ORIENTATIONS[matrix]
    size = (96, 64) if degrees % 180 == 0 else (64, 96)
    assert (source.info.width, source.info.height) == size
    assert (source.info.rotation, source.info.mirrored) == (degrees, mirrored)
    for one, other in zip(stored, upright, strict=True):
        for plane, turned in zip(one.picture.planes, other.picture.planes, strict=True):
            assert np.array_equal(turn(plane), turned)
            assert not turned.flags.writeable
        assert other.picture.bgr().shape == (size[1], size[0], 3)
        assert (one.picture.matrix, one.picture.full_range) == (other.picture.matrix, other.picture.full_range)


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_a_scene_stored_turned_is_seen_as_it_was(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """The camera's way and back: four coloured corners moved point by point as the inverse of the matrix says."""
    scene = np.zeros((64, 96, 3), np.uint8)
    scene[:32, :48], scene[:32, 48:], scene[32:, :48] = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # and black
    a, b, c, d = matrix
    stored = np.zeros_like(scene if a else np.swapaxes(scene, 0, 1))
    height, width = stored.shape[:2]
    for q, p in itertools.product(range(height), range(width)):
        x, y = a * p + c * q, b * p + d * q
        stored[q, p] = scene[(y - (b + d < 0)) % 64, (x - (a + c < 0)) % 96]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, "bgr24")))
        container.mux(stream.encode())
    _tagged(tmp_path / "clip.mp4", matrix)
    _, frames = read(tmp_path / "clip.mp4")
    seen = frames[0].picture.bgr()
    assert seen.shape == scene.shape
    for y, x in itertools.product((8, 56), (8, 88)):
        assert np.abs(seen[y, x].astype(int) - scene[y, x]).max() < 20


@pytest.mark.parametrize("matrix", [(0.7, 0.7, -0.7, 0.7), (1, 0.5, 0, 1), (0, 0, 0, 0)])
def test_other_matrices_leave_pictures_as_they_are_stored(
    tmp_path: Path, matrix: tuple[float, float, float, float]
) -> None:
    clip = make_video(tmp_path / "clip.mp4", 2)
    _, stored = read(clip)
    _tagged(clip, matrix)
    source, frames = read(clip)
    assert (source.info.rotation, source.info.mirrored) == (0, False)
    assert np.array_equal(stored[0].picture.planes[0], frames[0].picture.planes[0])


def test_an_odd_sized_picture_is_turned_with_its_colours(tmp_path: Path) -> None:
    """Half a chroma sample hangs over the edge, so turning plane by plane would shift the colours."""
    clip = make_video(tmp_path / "clip.mp4", 3, size=(95, 63), codec="libvpx-vp9", options={"cpu-used": "8"})
    _, stored = read(clip)
    _tagged(clip, (-1, 0, 0, -1))
    _, upright = read(clip)
    for one, other in zip(stored, upright, strict=True):
        assert np.array_equal(np.rot90(one.picture.bgr(), 2), other.picture.bgr())
