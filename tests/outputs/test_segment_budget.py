"""The disk budget of a segmented recording: what goes, what never does, and what happens on full disks."""

from __future__ import annotations

import os
import re
import stat
from fractions import Fraction
from pathlib import Path

import pytest

from contracts.errors import OutputError
from contracts.segments import SegmentLimit
from outputs.segment_names import mark, segment_at
from outputs.segments import SegmentedMp4Output
from tests.support.disks import small_disk, undeletable
from tests.support.recording import FAST, decoded, rates
from tests.support.segmented import arrived, live, names, noise, record, segments

SIZE = (64, 48)
HALF = SegmentLimit(seconds=Fraction(1, 2))


def total(folder: Path) -> int:
    """Bytes of all that looks like the series' in a folder, the part that is written included."""
    sizes = []
    for file in folder.glob("out*.mp4"):
        try:
            status = file.lstat()
        except FileNotFoundError:
            continue
        sizes.append(status.st_size if stat.S_ISREG(status.st_mode) else 0)
    return sum(sizes)


def film(folder: Path, count: int, limit: SegmentLimit, keep: int | None) -> tuple[SegmentedMp4Output, int]:
    """Records ``count`` frames that compress badly; the output, closed, and the most that lay there meanwhile."""
    output, most = SegmentedMp4Output(folder / "out.mp4", FAST, limit, keep=keep), 0
    output.open([live(SIZE)])
    for index, pts in enumerate(rates(Fraction(30), count)):
        output.write(arrived(noise(index, SIZE), pts, live(SIZE), index))
        most = max(most, total(folder))
    output.close(None)
    return output, max(most, total(folder))


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


# -- full disks -------------------------------------------------------------------------------------------------------


def test_a_disk_smaller_than_the_budget_goes_on_for_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        output, _ = film(disk, 900, HALF, 50 * 10**9)
        counts = output.counts()
        assert counts["deleted"] > 5
        left = segments(disk)
        assert len(left) == counts["segments"] - counts["deleted"]
        assert sum(len(decoded(file)) for file in left) >= 100
        assert caplog.text.count("the disk is full before 50GB") == 1


@pytest.mark.parametrize("room", [0, 5_000, 20_000, 50_000])
def test_somebody_else_fills_the_disk_while_we_record(tmp_path: Path, room: int) -> None:
    """At any moment of a segment: a second of frames may be missing, no more, and every file plays."""
    with small_disk(tmp_path / "disk", 1_500_000) as disk:
        output = SegmentedMp4Output(disk / "out.mp4", FAST, HALF, keep=10**9)
        output.open([live(SIZE)])
        for index, pts in enumerate(rates(Fraction(30), 240)):
            output.write(arrived(noise(index, SIZE), pts, live(SIZE), index))
            if index == 128:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
                (disk / "filler").write_bytes(b"\0" * (free - room))
        output.close(None)
        left = [file for file in disk.iterdir() if file.name != "filler"]
        assert all(re.fullmatch(r"out-\d{6}-\w+\.mp4", file.name) for file in left), left
        gone = output.counts()["deleted"] * 15
        assert 240 - gone - 30 <= sum(len(decoded(file)) for file in left) <= 240 - output.counts()["deleted"]


def test_without_a_budget_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        output = SegmentedMp4Output(disk / "out.mp4", FAST, HALF)
        output.open([live(SIZE)])
        errors, written = _until_it_fails(output)
        assert all(re.match(".*disk full", str(error)) and error.exit_code == 5 for error in errors)
        left = segments(disk)
        parts = [file for file in left if file.name.endswith(".part.mp4")]
        assert all(str(part) in " ".join(map(str, errors)) for part in parts)
        assert sum(len(decoded(file)) for file in left) >= written - 9
        assert sorted(file.name for file in disk.iterdir()) == [file.name for file in left]
        record(disk / "out.mp4", [], HALF)
        assert not list(disk.glob("*.part.mp4")), "the next run finishes what is left, where there is room"


def test_a_budget_does_not_help_where_nothing_of_ours_is_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 300_000) as disk:
        (disk / "theirs").write_bytes(b"\0" * 250_000)
        output = SegmentedMp4Output(disk / "out.mp4", FAST, SegmentLimit(seconds=Fraction(3600)), keep=10**9)
        output.open([live(SIZE)])
        errors, _ = _until_it_fails(output)
        assert "disk full" in str(errors[0])
        assert (disk / "theirs").stat().st_size == 250_000


def _until_it_fails(output: SegmentedMp4Output) -> tuple[list[OutputError], int]:
    """The errors of writing and, where a segment could not be finished either, of closing; frames taken before."""
    errors: list[OutputError] = []
    written = 0
    for index, pts in enumerate(rates(Fraction(30), 5000)):
        try:
            output.write(arrived(noise(index, SIZE), pts, live(SIZE), index))
        except OutputError as error:
            errors, written = [error], index
            break
    try:
        output.close(errors[0])
    except OutputError as error:
        errors.append(error)
    return errors, written
