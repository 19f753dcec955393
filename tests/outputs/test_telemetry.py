"""GPS tracks beside the picture: every sample at the right moment, never a reason to lose the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from outputs.mp4 import Mp4Output
from tests.support.recording import FAST, boxes, decoded, level_of, picture, result_of, source_info
from tests.support.sounds import write_sound
from tests.support.travelling import kinds_of, line_at, record_drive, samples

LENGTH = Fraction(2, 5)
"""Of one sample in the source, in seconds; they follow each other without gaps."""


def record_with(path: Path, source: Path, start: Fraction = Fraction(0), frames: int = 60, audio: bool = False) -> None:
    info = source_info(telemetry=source, start=start, audio=source if audio else None)
    output = Mp4Output(path, FAST)
    output.open([info])
    for index in range(frames):
        output.write(result_of(picture((128, 96), level_of(index)), Fraction(index, 30), info))
    output.close(None)


@pytest.mark.parametrize("kind", ["data", "subtitle"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(2, 5), Fraction(33, 25), Fraction(1001, 1000)])
def test_every_sample_is_at_its_moment(tmp_path: Path, kind: str, start: Fraction) -> None:
    """What a sample says of the time is what the picture shows there; the first one is there from the beginning."""
    record_with(tmp_path / "out.mp4", record_drive(tmp_path / "in.mp4"), start)
    found = samples(tmp_path / "out.mp4", kind)
    first = start // LENGTH
    last = -(-(start + 2) // LENGTH)
    expected = [number * LENGTH for number in range(first, last)]
    assert [sample.data for sample in found] == [line_at(round(second * 1000)) for second in expected]
    for sample, second in zip(found, expected, strict=True):
        assert abs(sample.begin - max(second - start, Fraction(0))) <= Fraction(1, 1000)
    assert abs(found[-1].begin + found[-1].length - 2) <= Fraction(2, 1000)
    assert boxes(tmp_path / "out.mp4") == ["ftyp", "moov", "free", "mdat"]


def test_tracks_that_end_before_the_picture_begins_are_not_there(tmp_path: Path) -> None:
    record_with(tmp_path / "out.mp4", record_drive(tmp_path / "in.mp4", text=False), Fraction(100))
    assert len(decoded(tmp_path / "out.mp4")) == 60
    assert kinds_of(tmp_path / "out.mp4") == ["video"]


def test_what_mp4_cannot_hold_is_named_once_and_the_rest_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = record_drive(tmp_path / "in.mp4")
    source.write_bytes(source.read_bytes().replace(b"gpmd", b"rtmd"))
    record_with(tmp_path / "out.mp4", source)
    assert kinds_of(tmp_path / "out.mp4") == ["video", "subtitle"]
    assert len(caplog.records) == 1
    assert "data track 1 (GoPro MET)" in caplog.text


@pytest.mark.parametrize("codec", ["klv", "timed_id3"])
def test_data_of_broadcasts(tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture) -> None:
    """FFmpeg would take timed ID3 tags, and write them where no reader finds a track."""
    source = record_drive(tmp_path / "in.ts", data=codec, text=False)
    record_with(tmp_path / "out.mp4", source)
    assert kinds_of(tmp_path / "out.mp4") == ["video"]
    assert caplog.text.count(f"({codec})") == 1


@pytest.mark.parametrize("fault", ["missing", "text", "no tracks", "cut"])
def test_telemetry_that_cannot_be_had_never_costs_picture_or_sound(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = record_drive(tmp_path / "in.mp4", data=None if fault == "no tracks" else "bin_data", text=False)
    info = source_info(telemetry=source, audio=write_sound(tmp_path / "sound.mp4", "aac"))
    said = [] if fault == "no tracks" else ["the telemetry"]
    if fault == "missing":
        source.unlink()
    elif fault == "text":
        source.write_text("no telemetry\n" * 1000)
    elif fault == "cut":
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index in range(60):
        output.write(result_of(picture((128, 96), level_of(index)), Fraction(index, 30), info))
    output.close(None)
    assert len(decoded(tmp_path / "out.mp4")) == 60
    assert kinds_of(tmp_path / "out.mp4") == ["video", "audio"]
    assert not list(tmp_path.glob("out.*.mp4"))
    assert [record.getMessage().split(" of ")[0] for record in caplog.records] == said


def test_sound_that_cannot_be_had_does_not_cost_the_telemetry(tmp_path: Path) -> None:
    info = source_info(telemetry=record_drive(tmp_path / "in.mp4"), audio=tmp_path / "gone.mp4")
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index in range(60):
        output.write(result_of(picture((128, 96), level_of(index)), Fraction(index, 30), info))
    output.close(None)
    assert kinds_of(tmp_path / "out.mp4") == ["video", "data", "subtitle"]
