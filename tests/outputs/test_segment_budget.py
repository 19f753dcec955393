"""The disk budget of a segmented recording: what goes, and what never does."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

import pytest

from contracts.segments import SegmentLimit
from outputs.segment_names import mark, segment_at
from outputs.segments import SegmentedMp4Output
from tests.support.disks import undeletable
from tests.support.recording import FAST, decoded, rates
from tests.support.segmented import HALF, SIZE, arrived, film, live, names, noise, segments, total


@pytest.mark.parametrize("keep", [300_000, 500_000])
@pytest.mark.parametrize("limit", [HALF, SegmentLimit(bytes=100_000)])
def test_the_budget_holds_at_every_moment_and_is_used(tmp_path: Path, keep: int, limit: SegmentLimit) -> None:
    output, most = film(tmp_path, 300, limit, keep)
    assert most <= keep
    left = segments(tmp_path)
    largest = max(file.stat().st_size for file in left)
    assert total(tmp_path) >= keep - 2.5 * largest, "more was deleted than had to be"
    counts = output.counts()
    assert counts["deleted"] > 0
    assert counts["segments"] - counts["deleted"] == len(left)
    numbers = [int(file.name[4:10]) for file in left]
    assert numbers == list(range(counts["deleted"] + 1, counts["segments"] + 1)), "the oldest went"
    assert (counts["first"], counts["last"]) == (str(left[0]), str(left[-1]))
    assert all(decoded(file) for file in left)


def test_those_of_earlier_runs_count_and_go_first(tmp_path: Path) -> None:
    film(tmp_path, 150, HALF, None)
    before = segments(tmp_path)
    old = total(tmp_path)
    output, most = film(tmp_path, 150, HALF, old + 200_000)
    assert most <= old + 200_000
    assert output.counts()["deleted"] > 0
    gone = [file for file in before if not file.exists()]
    assert gone == before[: len(gone)]


def test_a_smaller_budget_than_there_is_already(tmp_path: Path) -> None:
    film(tmp_path, 150, HALF, None)
    film(tmp_path, 60, HALF, 300_000)
    assert total(tmp_path) <= 300_000


def test_segments_longer_than_half_the_budget_end_earlier(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, most = film(tmp_path, 300, SegmentLimit(seconds=Fraction(3600)), 300_000)
    assert most <= 300_000
    assert len(segments(tmp_path)) >= 1
    assert caplog.text.count("segments end at 150000B, half of what is kept, before they reach 3600s") == 1


def test_nothing_of_anybody_else_ever_goes(tmp_path: Path) -> None:
    """Names that are not exactly ours, and ours that are not our files; older than everything, so first in line."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "rec"
    folder.mkdir()
    film(folder, 15, HALF, None)
    (ours,) = segments(folder)
    data = ours.read_bytes()
    ours.unlink()
    strangers = [
        "out.mp4",
        "out-1.mp4",
        "out-000000-20200101T000000Z accident.mp4",
        "out-000000-20200101T000000Z.mp4.bak",
        "out-000000-20200101T000000.mp4",
        "out-000000-20200101T000000Z.MP4",
        "OUT-000000-20200101T000000Z.mp4",
        "out-0000000-20200101T000000Z.mp4",
        "out-00000-20200101T000000Z.mp4",
        "xout-000000-20200101T000000Z.mp4",
        "out2-000000-20200101T000000Z.mp4",
        "out-000000-20200101T000000Z.part-1.mp4",
    ]
    for name in strangers:
        (folder / name).write_bytes(data)  # even our own recording, under a name that somebody gave it
    (folder / "out-000000-20200101T000000Z.mp4").write_bytes(data[:-1] + b"\xff")  # the name, not the mark
    (folder / "out-000001-20200101T000000Z.mp4").write_bytes(b"")
    (folder / "out-000002-20200101T000000Z.mp4").mkdir()
    (folder / "out-000002-20200101T000000Z.mp4/inside.mp4").write_bytes(data)
    (outside / "kept.mp4").write_bytes(data)
    (folder / "out-000003-20200101T000000Z.mp4").symlink_to(outside / "kept.mp4")
    (folder / "out-000004.mp4").symlink_to(outside)
    os.mkfifo(folder / "out-000005.mp4")
    there = set(names(folder))
    sizes = {name: (folder / name).lstat().st_size for name in there}

    output, _ = film(folder, 300, HALF, 300_000)
    assert output.counts()["deleted"] > 0
    left = set(names(folder))
    assert there <= left
    assert {name: (folder / name).lstat().st_size for name in there} == sizes
    assert (outside / "kept.mp4").read_bytes() == data
    fresh = sum((folder / name).stat().st_size for name in left - there)
    assert fresh <= 300_000
    assert fresh >= 150_000, "strangers do not count"


def test_an_edited_segment_is_no_longer_ours(tmp_path: Path) -> None:
    """Somebody cut one, under its own name: FFmpeg's copy has no mark."""
    film(tmp_path, 15, HALF, None)
    (made,) = segments(tmp_path)
    assert segment_at(made, 1) is not None
    data = made.read_bytes()
    made.write_bytes(data[:-24])
    assert segment_at(made, 1) is None
    mark(made)
    mark(made)
    assert made.read_bytes() == data


def test_people_may_delete_rename_and_replace_segments_meanwhile(tmp_path: Path) -> None:
    """None of it is an error; what they renamed or put there stays; what they deleted no longer counts."""
    output = SegmentedMp4Output(tmp_path / "out.mp4", FAST, HALF, keep=400_000)
    output.open([live(SIZE)])
    renamed = replaced = None
    for index, pts in enumerate(rates(Fraction(30), 400)):
        output.write(arrived(noise(index, SIZE), pts, live(SIZE), index))
        finished = [file for file in segments(tmp_path) if re.fullmatch(r"out-\d{6}-\w+\.mp4", file.name)]
        if index % 97 == 96:
            finished[-1].unlink()
        elif renamed is None and len(finished) > 3:
            renamed = finished[0].rename(tmp_path / "accident.mp4")
        elif renamed is not None and replaced is None and len(finished) > 3:
            replaced = finished[0]
            replaced.write_bytes(b"somebody's own")
    output.close(None)
    assert renamed is not None
    assert renamed.exists()
    assert replaced is not None
    assert replaced.read_bytes() == b"somebody's own"
    assert total(tmp_path) <= 400_000 + len(b"somebody's own")


def test_what_cannot_be_deleted_is_said_once_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film(tmp_path, 15, HALF, None)
    (stuck,) = segments(tmp_path)
    with undeletable(stuck):
        output, most = film(tmp_path, 400, HALF, 300_000)
        assert stuck.exists()
    assert most <= 300_000, "it counts, and others go for it"
    assert output.counts()["segments"] > 10
    assert caplog.text.count("cannot delete") == 1
