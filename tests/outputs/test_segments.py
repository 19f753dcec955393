"""Segmented recordings: names, seams, limits, times, what a restart and a kill leave."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import OutputError, SourceError
from contracts.frame import Frame
from contracts.prediction import Prediction
from contracts.result import Result, Timings
from contracts.segments import SegmentLimit, parse_segment
from outputs.encoder import Codec, VideoSettings
from outputs.mp4 import Mp4Output
from outputs.paths import Target
from outputs.segments import SegmentedMp4Output
from tests.support.recording import FAST, boxes, decoded, keyframes, level_of, picture, rates
from tests.support.segmented import NAME, SECOND, arrived, live, names, noise, record, segments

TICK = Fraction(1, 90000)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_nothing_is_lost_or_doubled_at_a_seam(tmp_path: Path, codec: Codec) -> None:
    times = rates(Fraction(30), 100)
    record(tmp_path / "out.mp4", times, SECOND, video=VideoSettings(codec, 18, "ultrafast"))
    assert all(NAME.fullmatch(name) for name in names(tmp_path)), "nothing else is left"
    found: list[tuple[Fraction, float]] = []
    for number, file in enumerate(segments(tmp_path)):
        frames = decoded(file)
        assert frames[0][0] == 0
        assert keyframes(file)[0] == 0
        assert len(frames) == min(30, 100 - 30 * number)
        assert boxes(file) == ["ftyp", "free", "mdat", "moov", "uuid"]
        found += [(Fraction(number) + time, level) for time, level in frames]
    assert [time for time, _ in found] == times
    for index, (_, level) in enumerate(found):
        assert level == pytest.approx(level_of(index), abs=4)


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.fractions(min_value=0, max_value=2, max_denominator=90000), min_size=1, max_size=25),
    length=st.fractions(min_value=Fraction(1, 10), max_value=3, max_denominator=1000),
)
def test_every_frame_is_in_one_segment_whatever_the_rate(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[Fraction], length: Fraction
) -> None:
    times = [sum(gaps[:count], Fraction(0)) for count in range(len(gaps) + 1)]
    folder = tmp_path_factory.mktemp("vfr")
    record(folder / "out.mp4", times, SegmentLimit(seconds=length))
    counts = [[time for time, _ in decoded(file)] for file in segments(folder)]
    position = 0
    for found in counts:
        expected = times[position : position + len(found)]
        position += len(found)
        assert found[0] == 0
        for there, wanted in zip(found, expected, strict=True):
            assert abs(there - (wanted - expected[0])) <= len(times) * TICK  # those that repeat move on by a tick
        assert found[-1] < length
        if position < len(times):
            assert times[position] - expected[0] >= length - len(times) * TICK, "a segment was closed too early"
    assert position == len(times)


def test_a_gap_of_the_source_is_no_longer_than_it_was(tmp_path: Path) -> None:
    """A camera that was away for three minutes: the segment ends where it went, the next begins when it is back."""
    times = [Fraction(0), Fraction(1, 2), Fraction(180), Fraction(361, 2)]
    record(tmp_path / "out.mp4", times, SegmentLimit(seconds=Fraction(60)))
    assert [[time for time, _ in decoded(file)] for file in segments(tmp_path)] == [[0, Fraction(1, 2)]] * 2
    with av.open(str(segments(tmp_path)[0])) as container:
        assert container.duration is not None
        assert container.duration < 1_000_000


@pytest.mark.parametrize("size", [20_000, 60_000, 200_000])
@pytest.mark.parametrize("rate", [Fraction(2), Fraction(30)])
def test_no_segment_is_larger_than_asked_for_and_few_are_much_smaller(
    tmp_path: Path, size: int, rate: Fraction
) -> None:
    info, count = live(rate=rate), 120
    output = SegmentedMp4Output(tmp_path / "out.mp4", FAST, SegmentLimit(bytes=size))
    output.open([info])
    for index, pts in enumerate(rates(rate, count)):
        output.write(arrived(noise(index, (64, 48)), pts, info, index))
    output.close(None)
    sizes = [file.stat().st_size for file in segments(tmp_path)]
    assert max(sizes) <= size
    assert len(sizes) > 1
    frame = max(sizes) / len(decoded(segments(tmp_path)[0]))
    assert min(sizes[:-1]) >= size - 4 * frame - 8192
    assert sum(len(decoded(file)) for file in segments(tmp_path)) == count


def test_a_limit_smaller_than_any_frame_gives_a_segment_per_frame(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", rates(Fraction(30), 4), SegmentLimit(bytes=10))
    assert [len(decoded(file)) for file in segments(tmp_path)] == [1, 1, 1, 1]


def test_names_say_when_and_sort_by_time(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    record(tmp_path / "out.mp4", rates(Fraction(30), 70), SECOND)
    matches = [NAME.fullmatch(name) for name in names(tmp_path)]
    assert [match[1] for match in matches if match] == ["000001", "000002", "000003"]
    for file in segments(tmp_path):
        named = datetime.strptime(file.name[11:27], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert before - timedelta(seconds=2) <= named <= datetime.now(UTC)
        with av.open(str(file)) as container:
            noted = datetime.fromisoformat(container.metadata["creation_time"])
        assert abs(noted - named) < timedelta(seconds=1)


def test_the_time_is_that_of_the_frame_and_not_of_its_writing(tmp_path: Path) -> None:
    """A slow network may hold a frame for a while."""
    info = live()
    output = SegmentedMp4Output(tmp_path / "out.mp4", FAST, SECOND)
    output.open([info])
    shown = picture((128, 96), 90)
    frame = Frame(shown, 0, Fraction(0), time.monotonic_ns() - 3600 * 10**9, info)
    output.write(Result(frame, Prediction(), Timings(0), lambda _: shown))
    output.close(None)
    named = datetime.strptime(names(tmp_path)[0][11:27], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert datetime.now(UTC) - named == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=30))


def test_a_new_run_goes_on_behind_the_old_one(tmp_path: Path) -> None:
    """Whatever lies there: earlier segments, a recording in one piece, other cameras, files of other people."""
    strangers = {
        "out.mp4": b"in one piece",
        "out-7.mp4": b"no number of ours",
        "out-000090-cut.mp4": b"cut by hand",
        "other-000099.mp4": b"another camera's",
        "xout-000098.mp4": b"another camera's",
    }
    for name, data in strangers.items():
        (tmp_path / name).write_bytes(data)
    record(tmp_path / "out.mp4", rates(Fraction(30), 40), SECOND)
    first = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    record(tmp_path / "out.mp4", rates(Fraction(30), 40), SECOND)
    assert {name: (tmp_path / name).read_bytes() for name in first} == first
    fresh = [name for name in names(tmp_path) if name not in first]
    assert [name[:10] for name in fresh] == ["out-000003", "out-000004"]


@pytest.mark.parametrize("taken", ["out-000041.mp4", "out-000041.part-3.mp4", "out-000041-20200101T000000Z.mp4"])
def test_numbers_go_on_behind_any_name_of_the_series(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"of somebody")
    record(tmp_path / "out.mp4", [Fraction(0)], SECOND)
    assert [name[:10] for name in names(tmp_path)] == ["out-000041", "out-000042"]
    assert (tmp_path / taken).read_bytes() == b"of somebody"


def test_seven_digits_follow_six(tmp_path: Path) -> None:
    (tmp_path / "out-999999.mp4").write_bytes(b"")
    record(tmp_path / "out.mp4", rates(Fraction(30), 31), SECOND)
    assert [name.split("-")[1] for name in names(tmp_path)[:2]] == ["1000000", "1000001"]
    record(tmp_path / "out.mp4", [Fraction(0)], SECOND)
    assert any(name.startswith("out-1000002-") for name in names(tmp_path))


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "100%d.mp4", "[x] (é) 道+.mp4", "UPPER.MP4", "out.part.mp4", "out-000001.mp4"]
)
def test_names_are_names_not_patterns(tmp_path: Path, name: str) -> None:
    for run in (1, 2):
        record(tmp_path / name, rates(Fraction(30), 31), SECOND)
        assert len(names(tmp_path)) == 2 * run
    path = tmp_path / name
    assert all(re.fullmatch(rf"{re.escape(path.stem)}-00000\d-\w+{path.suffix}", each) for each in names(tmp_path))


def test_two_runs_to_one_name(tmp_path: Path) -> None:
    """The second is refused, segmented or not, and afterwards nothing is in the way."""
    first = SegmentedMp4Output(tmp_path / "out.mp4", FAST, SECOND)
    first.open([live()])
    for second in (SegmentedMp4Output(tmp_path / "out.mp4", FAST, SECOND), Mp4Output(tmp_path / "out.mp4", FAST)):
        with pytest.raises(OutputError, match="another run is writing"):
            second.open([live()])
        second.close(None)
    first.close(None)
    assert names(tmp_path) == []
    record(tmp_path / "out.mp4", [Fraction(0)], SECOND)


@pytest.mark.parametrize("order", [("out", "back", "out-000001"), ("out-000001", "out", "back")])
def test_two_cameras_in_one_folder(tmp_path: Path, order: tuple[str, ...]) -> None:
    outputs = [SegmentedMp4Output(tmp_path / f"{name}.mp4", FAST, SECOND) for name in order]
    for output in outputs:
        output.open([live()])
    for index, pts in enumerate(rates(Fraction(30), 31)):
        for output in outputs:
            output.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    for output in outputs:
        output.close(None)
    assert len(names(tmp_path)) == 6


def test_a_recording_that_another_run_is_writing_is_not_taken_for_a_killed_one_s(tmp_path: Path) -> None:
    other = Mp4Output(tmp_path / "out-000001.mp4", FAST)
    other.open([live()])
    times = rates(Fraction(30), 20)
    for index, pts in enumerate(times[:10]):
        other.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    record(tmp_path / "out.mp4", times, SECOND)
    for index, pts in enumerate(times[10:], 10):
        other.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    other.close(None)
    assert len(decoded(tmp_path / "out-000001.mp4")) == 20


def test_strangers_files_with_names_like_parts_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "out-000001.part.mp4").write_text("a stranger's small file")
    (tmp_path / "out-000002.part.mp4").symlink_to(tmp_path / "notes.txt")
    record(tmp_path / "out.mp4", rates(Fraction(30), 10), SECOND)
    kept = {file.read_text() for file in tmp_path.iterdir() if file.suffix == ".txt" or "part" in file.name}
    assert kept == {"mine", "a stranger's small file"}
    assert any(file.is_symlink() for file in tmp_path.iterdir())


def test_a_segment_may_be_moved_away_as_soon_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an archiver does: here in the very moment it takes its name."""
    away = tmp_path / "away"
    away.mkdir()
    publish = Target.publish

    def moved(target: Target, whole: Path) -> None:
        publish(target, whole)
        target.path.rename(away / target.path.name)

    monkeypatch.setattr(Target, "publish", moved)
    output = record(tmp_path / "out.mp4", rates(Fraction(30), 70), SECOND)
    assert [len(decoded(file)) for file in segments(away)] == [30, 30, 10]
    assert output.counts()["bytes"] == sum(file.stat().st_size for file in segments(away))


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), SourceError("camera lost")])
def test_whatever_ended_the_run_the_last_segment_is_finished(tmp_path: Path, error: BaseException | None) -> None:
    output = SegmentedMp4Output(tmp_path / "out.mp4", FAST, SECOND)
    output.open([live()])
    for index, pts in enumerate(rates(Fraction(30), 40)):
        output.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    output.close(error)
    assert [len(decoded(file)) for file in segments(tmp_path)] == [30, 10]
    assert len(names(tmp_path)) == 2


def test_no_frames_no_file(tmp_path: Path) -> None:
    output = record(tmp_path / "out.mp4", [], SECOND)
    assert names(tmp_path) == []
    assert output.counts() == {"segments": 0, "bytes": 0, "deleted": 0, "first": None, "last": None}


def test_what_the_statistics_say(tmp_path: Path) -> None:
    output = record(tmp_path / "out.mp4", rates(Fraction(30), 70), SECOND)
    files = segments(tmp_path)
    assert output.counts() == {
        "segments": 3,
        "bytes": sum(file.stat().st_size for file in files),
        "deleted": 0,
        "first": str(files[0]),
        "last": str(files[-1]),
    }


def test_another_size_begins_a_new_segment_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    info = live()
    output = SegmentedMp4Output(tmp_path / "out.mp4", FAST, SegmentLimit(seconds=Fraction(60)))
    output.open([info])
    sizes = [(128, 96)] * 3 + [(320, 240)] * 2 + [(128, 96)]
    for index, size in enumerate(sizes):
        output.write(arrived(picture(size, level_of(index)), Fraction(index, 30), info, index))
    output.close(None)
    found = []
    for file in segments(tmp_path):
        with av.open(str(file)) as container:
            found += [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert len(segments(tmp_path)) == 3
    assert found == sizes
    assert caplog.text.count("size changed to 320×240; a new segment begins") == 1
    assert caplog.text.count("size changed") == 1


def test_the_parser_and_the_output_mean_the_same_minute(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(59), Fraction(60), Fraction(119)]
    record(tmp_path / "out.mp4", times, parse_segment("1m"))
    assert [len(decoded(file)) for file in segments(tmp_path)] == [2, 2]
