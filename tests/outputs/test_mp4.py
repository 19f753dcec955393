"""Recording: times, keyframes, colours, sizes, memory, the name under which the file appears."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import OutputError, SourceError, UsageError
from contracts.picture import ColourMatrix, Picture
from contracts.pool import Pool
from outputs.encoder import Codec, Encoder, VideoSettings, choose, usual_rate
from outputs.i420 import encodable
from outputs.mp4 import Mp4Output
from tests.support.recording import (
    FAST,
    boxes,
    decoded,
    i420,
    keyframes,
    level_of,
    luma,
    picture,
    planes,
    rates,
    record,
    result_of,
    source_info,
)

NTSC = Fraction(30000, 1001)
SIZE = (128, 96)
HALF = Fraction(1, 2)
TICK = Fraction(1, 90000)


@pytest.mark.parametrize("rate", [Fraction(8), Fraction(25), NTSC, Fraction(60), Fraction(1, 2)])
def test_every_frame_keeps_its_time_and_its_picture(tmp_path: Path, rate: Fraction) -> None:
    times = rates(rate, 45)
    record(tmp_path / "out.mp4", times, source_info(rate=rate))
    frames = decoded(tmp_path / "out.mp4")
    assert [time for time, _ in frames] == times
    for index, (_, level) in enumerate(frames):
        assert level == pytest.approx(level_of(index), abs=3)


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.fractions(min_value=Fraction(1, 500), max_value=2, max_denominator=90000), min_size=1, max_size=25)
)
def test_variable_rate_survives_to_the_tick(tmp_path_factory: pytest.TempPathFactory, gaps: list[Fraction]) -> None:
    times = [sum(gaps[:count], Fraction(0)) for count in range(len(gaps) + 1)]
    path = tmp_path_factory.mktemp("vfr") / "out.mp4"
    record(path, times, source_info())
    frames = decoded(path)
    assert len(frames) == len(times)
    assert all(abs(found - wanted) <= TICK for (found, _), wanted in zip(frames, times, strict=True))


def test_a_time_that_repeats_or_runs_backward_moves_on_by_one_tick(tmp_path: Path) -> None:
    times = [Fraction(value) for value in (0, 0, 1, HALF, HALF, 2)]
    record(tmp_path / "out.mp4", times, source_info())
    assert [time for time, _ in decoded(tmp_path / "out.mp4")] == [0, TICK, 1, 1 + TICK, 1 + 2 * TICK, 2]


def test_a_run_whose_first_frames_were_dropped_starts_later(tmp_path: Path) -> None:
    times = [Fraction(1, 5), Fraction(2, 5), Fraction(3, 5)]
    record(tmp_path / "out.mp4", times, source_info())
    assert [time for time, _ in decoded(tmp_path / "out.mp4")] == times


@pytest.mark.parametrize("rate", [Fraction(5), Fraction(8), Fraction(15), Fraction(25), NTSC, Fraction(60)])
@pytest.mark.parametrize("nominal", [True, False])
def test_a_keyframe_at_least_every_half_second(tmp_path: Path, rate: Fraction, nominal: bool) -> None:
    record(tmp_path / "out.mp4", rates(rate, int(rate * 3)), source_info(rate=rate if nominal else None))
    found = keyframes(tmp_path / "out.mp4")
    assert found[0] == 0
    assert max(later - sooner for sooner, later in pairwise(found)) <= HALF
    assert len(found) <= 10, "more keyframes than needed cost bytes"


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_every_codec_keeps_times_and_keyframes(tmp_path: Path, codec: Codec, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.mp4"
    times = rates(NTSC, 50)
    record(path, times, source_info(rate=NTSC), VideoSettings(codec, 28, "ultrafast"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in {codec, "libdav1d"}
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.frames == len(times)
        if codec == "hevc":
            assert stream.codec_context.codec_tag == "hvc1"
    assert [time for time, _ in decoded(path)] == times
    assert max(later - sooner for sooner, later in pairwise(keyframes(path))) <= HALF
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", ""), "encoders must not talk"


def test_the_finished_file_is_plain_and_starts_with_its_index(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    record(path, rates(Fraction(30), 40), source_info())
    assert boxes(path) == ["ftyp", "moov", "free", "mdat"]
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.frames == 40
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(40, 30)


def test_while_recording_only_the_part_exists_and_it_plays(tmp_path: Path) -> None:
    path, info = tmp_path / "out.mp4", source_info()
    output = Mp4Output(path, FAST)
    output.open([info])
    for index, pts in enumerate(rates(Fraction(30), 60)):
        output.write(result_of(picture(SIZE, level_of(index)), pts, info))
    assert [file.name for file in tmp_path.iterdir()] == ["out.part.mp4"]
    assert len(decoded(tmp_path / "out.part.mp4")) >= 60 - 9  # a quarter of a second and the frame that ends it
    output.close(None)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert len(decoded(path)) == 60


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), SourceError("camera lost"), OutputError("another one")])
def test_whatever_ended_the_run_the_file_is_finished(tmp_path: Path, error: BaseException | None) -> None:
    record(tmp_path / "out.mp4", rates(Fraction(30), 10), source_info(), error=error)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert len(decoded(tmp_path / "out.mp4")) == 10


def test_no_frames_no_file(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [], source_info(), error=SourceError("nothing in it"))
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_killed_runs_are_kept_under_new_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, content in enumerate((b"first", b"second"), 1):
        (tmp_path / "out.part.mp4").write_bytes(content)
        record(tmp_path / "out.mp4", [Fraction(0)], source_info())
        assert (tmp_path / f"out.part-{number}.mp4").read_bytes() == content
        assert f"out.part-{number}.mp4" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.mp4", "out.part-1.mp4", "out.part-2.mp4"]


@pytest.mark.parametrize(
    ("matrix", "tagged", "expected"),
    [
        ("bt709", True, (1, 1, 1, 1)),
        ("bt601", True, (6, 6, 6, 1)),
        ("bt2020", True, (9, 14, 9, 1)),
        ("bt601", False, (2, 2, 2, 0)),
    ],
)
def test_colours_are_tagged_as_the_source_was(
    tmp_path: Path, matrix: ColourMatrix, tagged: bool, expected: tuple[int, ...]
) -> None:
    info = source_info()
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    output.write(result_of(picture(SIZE, 100, matrix, tagged), Fraction(0), info))
    output.close(None)
    assert _tags(tmp_path / "out.mp4") == expected


def test_bgr_pictures_keep_their_colours(tmp_path: Path) -> None:
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:] = (30, 60, 220)
    frame = _recorded(tmp_path, Picture.from_bgr(pixels))
    assert _tags(tmp_path / "out.mp4") == (1, 1, 1, 1)
    assert frame.to_ndarray(format="bgr24").reshape(-1, 3).mean(0) == pytest.approx([30, 60, 220], abs=4)


def test_full_range_becomes_limited(tmp_path: Path) -> None:
    shown = picture(SIZE, 235)
    shown.full_range = True
    assert luma(_recorded(tmp_path, shown)).mean() == pytest.approx(16 + 235 * 219 / 255, abs=2)


def test_nv12_is_converted(tmp_path: Path) -> None:
    shown = Picture("nv12", (np.full((96, 128), 90, np.uint8), np.full((48, 64, 2), (100, 150), np.uint8)))
    frame = _recorded(tmp_path, shown)
    means = [float(frame.to_ndarray()[rows].mean()) for rows in (slice(0, 96), slice(96, 120), slice(120, 144))]
    assert means == pytest.approx([90, 100, 150], abs=2)


@pytest.mark.parametrize(("width", "height"), [(127, 96), (128, 95), (127, 95), (1, 1), (2, 2), (17, 3)])
def test_an_odd_side_repeats_its_last_pixels(tmp_path: Path, width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(60, 200, (height, 1)).astype(np.uint8)
    y = np.ascontiguousarray(np.broadcast_to(rows, (height, width)))
    half = ((height + 1) // 2, (width + 1) // 2)
    shown = Picture("yuv420p", (y, np.full(half, 128, np.uint8), np.full(half, 128, np.uint8)))
    frame = _recorded(tmp_path, shown)
    found = luma(frame)
    assert found.shape == (height + height % 2, width + width % 2)
    assert found[:height, :width] == pytest.approx(y, abs=12)
    assert found[-1] == pytest.approx(found[height - 1], abs=12)
    assert found[:, -1] == pytest.approx(found[:, width - 1], abs=12)


def test_another_size_in_mid_stream_is_scaled_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    info = source_info()
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index, size in enumerate([SIZE, SIZE, (64, 64), (200, 100), (127, 95), SIZE]):
        output.write(
            result_of(picture((size[0] // 2 * 2, size[1] // 2 * 2), 60 + 20 * index), Fraction(index, 30), info)
        )
    output.close(None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert {(frame.width, frame.height) for frame in frames} == {SIZE}
    assert [luma(frame).mean() for frame in frames] == pytest.approx([60, 80, 100, 120, 140, 160], abs=3)
    assert caplog.text.count("size changed") == 1


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_pools_memory_may_be_used_again_after_write(tmp_path: Path, codec: Codec) -> None:
    """The pool gives the same memory out again; what was encoded must not change with it."""
    info, pool, seen = source_info(), Pool((96 * 3 // 2, 128), keep=1), set()
    output = Mp4Output(tmp_path / "out.mp4", VideoSettings(codec, 18, "ultrafast"))
    output.open([info])
    for index in range(40):
        buffer = i420(SIZE, level_of(index), pool)
        seen.add(buffer.ctypes.data)
        output.write(result_of(Picture("yuv420p", planes(buffer)), Fraction(index, 30), info))
        buffer[:] = 255  # what a maker does to memory that came back to it
        del buffer
    output.close(None)
    assert len(seen) < 40, "memory was never used again: the test shows nothing"
    for index, (_, level) in enumerate(decoded(tmp_path / "out.mp4")):
        assert level == pytest.approx(level_of(index), abs=4)


def test_contiguous_planes_are_not_copied_and_others_are() -> None:
    buffer = i420(SIZE, 77)
    whole = Picture("yuv420p", planes(buffer))
    apart = Picture("yuv420p", tuple(plane.copy() for plane in planes(buffer)))
    for shown, shared in ((whole, True), (apart, False)):
        frame = encodable(shown, SIZE)
        shown.planes[0][0, 0] = 200
        assert bool(luma(frame)[0, 0] == 200) is shared
        assert luma(frame)[1, 1] == 77


@pytest.mark.parametrize("height", [2, 4, 6, 96, 98, 270])
def test_every_plane_reaches_the_encoder_whatever_the_height(height: int) -> None:
    buffer = np.random.default_rng(height).integers(0, 256, (height * 3 // 2, 64), np.uint8)
    shown = Picture("yuv420p", planes(buffer))
    frame = encodable(shown, (64, height))
    assert (frame.width, frame.height) == (64, height)
    for plane, found in zip(shown.planes, Picture.from_av(frame).planes, strict=True):
        assert np.array_equal(plane, found)


def test_a_decoders_frame_is_left_alone(tmp_path: Path) -> None:
    """Others look at the same frame: its pts and picture type stay what they were."""
    record(tmp_path / "in.mp4", rates(Fraction(30), 3), source_info())
    with av.open(str(tmp_path / "in.mp4")) as container:
        frames = list(container.decode(video=0))
    before = [(frame.pts, frame.pict_type) for frame in frames]
    info = source_info()
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index, frame in enumerate(frames):
        output.write(result_of(Picture.from_av(frame), Fraction(index + 7, 10), info))
    output.close(None)
    assert [(frame.pts, frame.pict_type) for frame in frames] == before
    assert [level for _, level in decoded(tmp_path / "out.mp4")] == pytest.approx(
        [level_of(i) for i in range(3)], abs=3
    )


@pytest.mark.parametrize(
    ("codec", "crf", "preset", "says"),
    [
        ("h264", 23, "veryfats", "veryfast"),
        ("av1", 23, "8", "known: "),
        ("h264", 0, "veryfast", "1 … 51"),
        ("h264", 52, "veryfast", "1 … 51"),
        ("hevc", 60, "veryfast", "0 … 51"),
        ("av1", 64, "veryfast", "1 … 63"),
    ],
)
def test_settings_nobody_knows(codec: Codec, crf: int, preset: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        VideoSettings(codec, crf, preset)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("preset", ["ultrafast", "faster", "slow", "placebo"])
def test_every_preset_opens(codec: Codec, preset: str) -> None:
    assert isinstance(choose(VideoSettings(codec, 30, preset), (1280, 720), NTSC), Encoder)


def test_a_size_no_encoder_takes_fails_at_open(tmp_path: Path) -> None:
    output = Mp4Output(tmp_path / "out.mp4", VideoSettings("hevc"))
    with pytest.raises(OutputError, match="2×2"):
        output.open([source_info((2, 2))])
    output.close(None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("rate", "usual"), [(None, 30), (Fraction(90000), 30), (Fraction(1, 10), 30), (NTSC, NTSC)])
def test_a_rate_that_is_fiction_is_not_told_to_the_encoder(rate: Fraction | None, usual: Fraction) -> None:
    assert usual_rate(rate) == usual


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "with space é 道.mp4", "UPPER.MP4", "out.part.mp4"])
def test_names_are_names_not_protocols_or_patterns(tmp_path: Path, name: str) -> None:
    record(tmp_path / name, rates(Fraction(30), 5), source_info())
    assert [file.name for file in tmp_path.iterdir()] == [name]


def _recorded(folder: Path, shown: Picture) -> av.VideoFrame:
    """The one frame of a recording of one picture."""
    info = source_info((shown.width, shown.height))
    output = Mp4Output(folder / "out.mp4", VideoSettings("h264", 5, "ultrafast"))
    output.open([info])
    output.write(result_of(shown, Fraction(0), info))
    output.close(None)
    with av.open(str(folder / "out.mp4")) as container:
        (frame,) = container.decode(video=0)
    return frame


def _tags(path: Path) -> tuple[int, ...]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.color_primaries, context.color_trc, context.colorspace, context.color_range
