"""What people do with a recording: open it in a browser and see it to its end."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from outputs.mp4 import Mp4Output
from tests.browser import plays_to_end
from tests.support import segmented
from tests.support.recording import FAST, level_of, picture, rates, record, result_of, source_info
from tests.support.sounds import write_sound

RATE = Fraction(30)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_finished_file_with_sound_from_the_middle(tmp_path: Path, codec: str) -> None:
    source = write_sound(tmp_path / "in.mov", codec)
    record(tmp_path / "out.mp4", rates(RATE, 60), source_info(audio=source, start=Fraction(137, 100)))
    report = plays_to_end(tmp_path / "out.mp4")
    assert (report.ended, report.error, report.sound) == (True, "", True)
    assert report.seconds == pytest.approx(2, abs=0.05)
    assert report.frames == pytest.approx(60, abs=2)


def test_a_part_as_a_kill_leaves_it(tmp_path: Path) -> None:
    output, info = Mp4Output(tmp_path / "out.mp4", FAST), source_info()
    output.open([info])
    for index, pts in enumerate(rates(RATE, 75)):
        output.write(result_of(picture((128, 96), level_of(index)), pts, info))
    killed = Path(shutil.copy(tmp_path / "out.part.mp4", tmp_path / "killed.mp4"))
    output.close(None)
    report = plays_to_end(killed)
    assert (report.ended, report.error) == (True, "")
    assert report.seconds >= 1.5


def test_a_segment_of_a_camera_and_one_that_a_killed_run_left(tmp_path: Path) -> None:
    """Index behind the pictures, our mark behind the index; and fragments with the mark."""
    output, info = Mp4Output(tmp_path / "x.mp4", FAST), source_info()
    output.open([info])
    for index, pts in enumerate(rates(RATE, 75)):
        output.write(result_of(picture((128, 96), level_of(index)), pts, info))
    shutil.copy(tmp_path / "x.part.mp4", tmp_path / "out-000001-20261127T190501Z.part.mp4")
    output.close(None)
    segmented.record(tmp_path / "out.mp4", rates(RATE, 60), segmented.SECOND)
    left, *whole = segmented.segments(tmp_path)
    report = plays_to_end(left)
    assert (report.ended, report.error) == (True, "")
    assert report.seconds >= 1.5
    for file in whole:
        report = plays_to_end(file)
        assert (report.ended, report.error) == (True, "")
        assert report.seconds == pytest.approx(1, abs=0.05)
        assert report.frames == pytest.approx(30, abs=2)
