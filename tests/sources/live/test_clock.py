"""The clock of a source that comes and goes, and the waits between its tries."""

from __future__ import annotations

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contracts.backoff import Backoff
from sources.live.clock import LiveClock

TICK = Fraction(1, 90_000)
SECOND = 10**9


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(-(10**9), 10**9)), st.integers(0, 10**11)), min_size=1))
def test_time_starts_at_0_and_always_rises(pictures: list[tuple[int | None, int]]) -> None:
    clock, arrival, placed = LiveClock(TICK), 0, []
    for stamp, passed in pictures:
        arrival += passed
        placed.append(clock.place(stamp, arrival))
    assert placed[0] == 0
    assert placed == sorted(set(placed))
    assert all((pts / TICK).denominator == 1 for pts in placed)


@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=50), st.integers(-(10**12), 10**12))
def test_within_a_connection_the_stream_s_own_clock_is_kept_exactly(steps: list[int], start: int) -> None:
    """However unevenly pictures arrive: a network that held them up for ten seconds says nothing about time."""
    clock, stamp, arrival = LiveClock(TICK), start, 0
    chance = random.Random(7)
    first = clock.place(stamp, arrival)
    for step in steps:
        stamp += step
        arrival += int(step * TICK * SECOND) + chance.randint(0, 10) * SECOND
        assert clock.place(stamp, arrival) - first == (stamp - start) * TICK


def test_two_connections_have_only_our_clock_in_common() -> None:
    clock = LiveClock(TICK)
    clock.place(90_000, 0)
    assert clock.place(180_000, SECOND) == 1
    clock.connected(Fraction(1, 1000))
    assert clock.place(5, 8 * SECOND) == 8
    assert clock.place(1005, 20 * SECOND) == 9  # late, but taken a second after the other


def test_a_clock_that_was_set_does_not_tear_time_apart() -> None:
    clock = LiveClock(TICK)
    clock.place(0, 0)
    assert clock.place(3600 * 90_000, SECOND) == 1
    assert clock.place(3601 * 90_000, 2 * SECOND) == 2
    assert clock.place(0, 3 * SECOND) == 3


def test_pictures_without_stamps_are_placed_by_their_arrival() -> None:
    clock = LiveClock(TICK)
    assert [float(clock.place(None, each * SECOND // 10)) for each in (5, 6, 9)] == [0.0, 0.1, 0.4]


@given(st.integers(0, 2**32))
def test_waits_double_up_to_half_a_minute_and_are_never_quite_the_same(seed: int) -> None:
    backoff = Backoff(random.Random(seed))
    waits = [backoff.next_s() for _ in range(20)]
    for number, wait in enumerate(waits):
        plain = min(0.5 * 2**number, 30)
        assert 0.75 * plain <= wait <= 1.25 * plain
    assert len(set(waits)) > 15
    backoff.reset()
    assert backoff.next_s() < 0.7
