"""Segments of recorded sources: each has its piece of sound and its own time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from contracts.segments import SegmentLimit
from outputs.segment_names import segment_at
from tests.support.recording import boxes, decoded, rates, source_info
from tests.support.segmented import SECOND, names, record, segments
from tests.support.sounds import BEEP, beep_at, sound, write_sound


def test_sound_goes_on_from_segment_to_segment(tmp_path: Path) -> None:
    """The beep is in the segment of its second, as far behind that one's first picture as in the source."""
    start = Fraction(1, 4)
    source = write_sound(tmp_path / "in.mp4", "aac")
    heard = beep_at(source)
    info = source_info(audio=source, start=start)
    (tmp_path / "rec").mkdir()
    record(tmp_path / "rec/out.mp4", rates(Fraction(30), 100), SegmentLimit(seconds=Fraction(1, 2)), info)
    files = segments(tmp_path / "rec")
    assert [file.name for file in files] == [f"out-{number:06d}.mp4" for number in range(1, 8)]
    at = heard - float(start)
    assert BEEP < 100 / 30
    position = int(at * 2)
    assert beep_at(files[position]) == pytest.approx(at - position / 2, abs=0.03)
    for number, file in enumerate(files[:-1]):
        samples, rate, begin = sound(file)
        assert begin + len(samples) / rate == pytest.approx(0.5, abs=0.05), f"segment {number}"
        assert boxes(file) == ["ftyp", "moov", "free", "mdat", "uuid"]
        assert len(decoded(file)) == 15
        assert segment_at(file, 1) is not None


def test_times_of_a_recorded_drive_move_with_the_segments(tmp_path: Path) -> None:
    tags = {"creation_time": "2026-05-01T10:00:00.000000Z", "location": "+47.0+008.0/", "make": "Cam"}
    info = source_info(tags=tags, skipped=Fraction(90))
    record(tmp_path / "out.mp4", rates(Fraction(30), 61), SECOND, info)
    assert names(tmp_path) == [f"out-00000{n}-20260501T10013{n - 1}Z.mp4" for n in (1, 2, 3)]
    for second, file in enumerate(segments(tmp_path)):
        with av.open(str(file)) as container:
            assert container.metadata["creation_time"].startswith(f"2026-05-01T10:01:3{second}")
            assert container.metadata["make"] == "Cam"


def test_a_recorded_source_that_names_no_time_has_numbers_only(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", rates(Fraction(30), 31), SECOND, source_info(tags={"creation_time": "long ago"}))
    assert names(tmp_path) == ["out-000001.mp4", "out-000002.mp4"]
