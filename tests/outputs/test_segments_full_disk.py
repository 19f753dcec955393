"""A segmented recording on full disks: with a budget the oldest segment goes and nothing else; without one it ends."""

from __future__ import annotations

import os
import re
import time
from fractions import Fraction
from pathlib import Path

import pytest

from contracts.errors import OutputError
from contracts.segments import SegmentLimit
from outputs.segment_names import SegmentNames
from outputs.segments import SegmentedMp4Output
from tests.support.disks import small_disk
from tests.support.recording import FAST, decoded, rates
from tests.support.segmented import HALF, SIZE, arrived, film, live, names, noise, record, segments


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


def test_a_disk_with_no_room_for_another_file_goes_on_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next part cannot even be begun; nothing of the film is missing for that."""
    with small_disk(tmp_path / "disk", 50_000_000, files=6) as disk:
        output, _ = film(disk, 300, HALF, 50 * 10**9)
        counts, left = output.counts(), segments(disk)
        assert counts["segments"] == 20
        assert counts["deleted"] >= 20 - 6
        assert [int(file.name[4:10]) for file in left] == list(range(counts["deleted"] + 1, 21)), "the oldest went"
        assert [len(decoded(file)) for file in left] == [15] * len(left)
        assert caplog.text.count("the disk is full before 50GB") == 1


def test_a_disk_that_is_full_from_the_beginning_is_met_before_anybody_has_looked_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = SegmentNames.recover

    def slow(series: SegmentNames) -> None:
        time.sleep(1)
        look(series)

    with small_disk(tmp_path / "disk", 50_000_000, files=6) as disk:
        film(disk, 45, HALF, None)
        old = segments(disk)
        (disk / "theirs").touch()
        (disk / "theirs too").touch()
        monkeypatch.setattr(SegmentNames, "recover", slow)
        output, _ = film(disk, 45, HALF, 10**9)
        assert output.counts()["segments"] == 3
        assert [file for file in old if file.exists()] == old[output.counts()["deleted"] :]
        assert len(names(disk)) <= 6
        assert {"theirs", "theirs too"} <= set(names(disk))


@pytest.mark.parametrize(("keep", "strangers"), [(None, 2), (10**9, 5)], ids=["no budget", "nothing of ours"])
def test_where_no_segment_may_go_a_disk_without_room_for_another_file_ends_the_run(
    keep: int | None, strangers: int, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 50_000_000, files=6) as disk:
        for number in range(strangers):
            (disk / f"theirs-{number}").touch()
        output = SegmentedMp4Output(disk / "out.mp4", FAST, HALF, keep=keep)
        output.open([live(SIZE)])
        errors, written = _until_it_fails(output)
        (error,) = errors
        assert re.match(
            rf"cannot write .*/out-{written // 15 + 1:06d}-.*\.mp4: disk full → free some space", str(error)
        )
        assert len(list(disk.glob("theirs-*"))) == strangers
        assert sum(len(decoded(file)) for file in segments(disk)) == written


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
