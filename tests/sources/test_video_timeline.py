"""The clock of a source: starts at 0, always rises, and says what the stream said wherever that is possible."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.timeline import Timeline

TICK = Fraction(1, 1000)
stamps = st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=60)


@given(stamps, st.sampled_from([None, Fraction(25), Fraction(30000, 1001)]), st.sampled_from([None, 0, 40]))
def test_starts_at_zero_and_always_rises(
    given_stamps: list[int | None], rate: Fraction | None, last: int | None
) -> None:
    timeline = Timeline(TICK, rate)
    placed = [timeline.place(stamp, last) for stamp in given_stamps]
    assert placed[0] == 0
    assert all(one < other for one, other in itertools.pairwise(placed))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60, unique=True), st.integers(-(10**9), 10**9))
def test_rising_stamps_are_kept_exactly(rising: list[int], clock: int) -> None:
    rising.sort()
    timeline = Timeline(TICK, Fraction(25))
    assert [timeline.place(clock + stamp, None) for stamp in rising] == [(stamp - rising[0]) * TICK for stamp in rising]


@pytest.mark.parametrize(
    ("what", "given_stamps", "expected"),
    [
        ("even", [500, 540, 580], [0, 40, 80]),
        ("repeated", [0, 40, 40, 40, 120], [0, 40, 41, 42, 120]),
        ("a little back", [0, 40, 30, 80], [0, 40, 41, 80]),
        ("missing", [None, None, None], [0, 40, 80]),
        ("one missing", [0, None, 80], [0, 40, 80]),
        ("clock set anew", [90_000, 90_040, 0, 40], [0, 40, 80, 120]),
        ("clock set anew twice", [5000, 5040, 0, 40, 80, -9000, -8960], [0, 40, 80, 120, 160, 200, 240]),
        ("a pause", [0, 40, 9000], [0, 40, 9000]),
    ],
)
def test_disorder(what: str, given_stamps: list[int | None], expected: list[int]) -> None:
    timeline = Timeline(TICK, Fraction(25))
    assert [timeline.place(stamp, 40) / TICK for stamp in given_stamps] == expected, what


def test_starting_over_shows_the_last_frame_for_its_duration() -> None:
    timeline = Timeline(TICK, Fraction(25))
    assert [timeline.place(stamp, duration) / TICK for stamp, duration in ((7, 33), (40, 70))] == [0, 33]
    timeline.start_over()
    assert [timeline.place(stamp, 33) / TICK for stamp in (7, 40)] == [103, 136]


def test_lost_frames_take_their_time_where_stamps_are_missing() -> None:
    timeline = Timeline(TICK, Fraction(25))
    assert [timeline.place(None, None, gap) / TICK for gap in (0, 0, 2, 0)] == [0, 40, 160, 200]
