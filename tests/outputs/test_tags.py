"""Tags of a recording that begins later than the one they were written for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.mp4 import Mp4Output
from outputs.tags import kept_tags, need_keys
from tests.support.recording import FAST, decoded, level_of, picture, result_of, source_info
from tests.support.travelling import tags_of

APPLE_TIME, APPLE_PLACE = "com.apple.quicktime.creationdate", "com.apple.quicktime.location.ISO6709"


@pytest.mark.parametrize(
    ("name", "text", "skipped", "expected"),
    [
        ("creation_time", "2024-05-06T07:08:09.000000Z", Fraction(0), "2024-05-06T07:08:09.000000Z"),
        ("creation_time", "2024-05-06T07:08:09.000000Z", Fraction(3, 2), "2024-05-06T07:08:10.500000Z"),
        ("creation_time", "2024-12-31T23:59:59Z", Fraction(1), "2025-01-01T00:00:00.000000Z"),
        ("creation_time", "yesterday", Fraction(0), "yesterday"),
        ("creation_time", "yesterday, at dawn", Fraction(1), None),
        ("creation_time", "9999-12-31T23:59:59Z", Fraction(10), None),
        (APPLE_TIME, "2024-05-06T09:08:09+0200", Fraction(60), "2024-05-06T09:09:09+02:00"),
        ("date", "2024-05-06", Fraction(60), "2024-05-06"),
        ("date", "2024", Fraction(60), "2024"),
        ("date", "2024-05-06 09:08:09", Fraction(60), "2024-05-06T09:09:09"),
    ],
)
def test_times_are_those_of_the_first_picture_kept(
    name: str, text: str, skipped: Fraction, expected: str | None
) -> None:
    assert kept_tags({name: text}, skipped).get(name) == expected


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    st.fractions(Fraction(1, 1000), Fraction(10**6)),
)
def test_a_time_moves_by_what_is_skipped_and_is_read_back(moment: datetime, skipped: Fraction) -> None:
    begun = moment.replace(tzinfo=UTC)
    text = kept_tags({"creation_time": begun.isoformat()}, skipped)["creation_time"]
    expected = begun + timedelta(seconds=float(skipped))
    assert abs(datetime.fromisoformat(text) - expected) <= timedelta(microseconds=2)


def test_what_is_said_of_the_file_stays_behind() -> None:
    tags = {"major_brand": "qt  ", "ENCODER": "Lavf", "timecode": "01:00:00:00", "rotate": "90", "make": "Cam", "x": ""}
    assert kept_tags(tags, Fraction(0)) == {"make": "Cam"}


@pytest.mark.parametrize("name", ["location", APPLE_PLACE])
def test_a_place_is_named_in_both_ways(name: str) -> None:
    place = "+48.1+011.5/"
    assert kept_tags({name: place}, Fraction(0)) == {"location": place, APPLE_PLACE: place}


def test_two_places_stay_two() -> None:
    tags = {"location": "+1.0+2.0/", APPLE_PLACE: "+1.00001+2.00001/"}
    assert kept_tags(tags, Fraction(0)) == tags


def test_names_of_matroska_are_those_of_everybody() -> None:
    assert kept_tags({"MAKE": "Cam", "Model": "4"}, Fraction(0)) == {"make": "Cam", "Model": "4"}


def test_keys_are_for_what_has_no_box() -> None:
    assert not need_keys({"title": "a", "creation_time": "2024-05-06T07:08:09Z", "comment": "b"})
    assert need_keys({"title": "a", "make": "Cam"})
    assert need_keys({"location": "+1.0+2.0/"})


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"title": "To the lake", "comment": "Grüße 🚗", "date": "2024"},
        {"title": "To the lake", "make": "Cam & Co", "firmware": "1.2", "com.android.version": "14"},
        {"a" * 300: "b" * 70_000, "title": "line\nbreak\ttab", "make": "\ufffd"},
    ],
)
def test_tags_are_read_back(tmp_path: Path, tags: dict[str, str]) -> None:
    info = source_info(tags=tags)
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index in range(10):
        output.write(result_of(picture((128, 96), level_of(index)), Fraction(index, 30), info))
    output.close(None)
    assert tags.items() <= tags_of(tmp_path / "out.mp4").items()
    assert len(decoded(tmp_path / "out.mp4")) == 10


def test_frames_left_out_at_the_beginning_move_the_time_too(tmp_path: Path) -> None:
    info = source_info(tags={"creation_time": "2024-05-06T07:08:09.000000Z", "make": "Cam"}, skipped=Fraction(60))
    output = Mp4Output(tmp_path / "out.mp4", FAST)
    output.open([info])
    for index in range(15, 20):
        output.write(result_of(picture((128, 96), level_of(index)), Fraction(index, 30), info))
    output.close(None)
    assert tags_of(tmp_path / "out.mp4")["creation_time"] == "2024-05-06T07:09:09.500000Z"
