"""Stream time in buckets, against sums made all at once; memory that does not grow."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.report.timeline import BUCKETS, Timeline, View

moments = st.lists(st.tuples(st.floats(0, 2e5, width=32), st.integers(1, 9)), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(moments)
def test_buckets_are_those_of_one_sorting_at_the_end(given_: list[tuple[float, int]]) -> None:
    timeline = Timeline()
    early = timeline.series()
    for seconds, value in given_:
        early[timeline.bucket(seconds)] += value
    slow: Counter[int] = Counter()
    for seconds, value in given_:
        slow[math.floor(seconds / timeline.width_s)] += value
    assert {index: int(value) for index, value in enumerate(early) if value} == dict(slow)
    assert timeline.used == max(slow) + 1 <= BUCKETS
    longest = max(seconds for seconds, _ in given_)
    assert timeline.width_s == 1 / 32 or longest >= timeline.width_s / 2 * BUCKETS, "wider than need be"


@settings(max_examples=200, deadline=None)
@given(moments, st.integers(1, 5000))
def test_a_chart_s_points_lose_nothing_and_are_few(given_: list[tuple[float, int]], frames: int) -> None:
    timeline = Timeline()
    series = timeline.series()
    for seconds, value in given_:
        series[timeline.bucket(seconds)] += value
    view = View(timeline, frames)
    assert view.summed(series).sum() == series.sum()
    assert 1 <= len(view.summed(series)) == view.points <= 96
    assert (view.points - 1) * view.width_s <= max(seconds for seconds, _ in given_) < view.points * view.width_s


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3000, width=32), st.integers(150_000, 10**12)), min_size=1, max_size=80),
    st.sampled_from([0.5, 0.95, 1.0]),
)
def test_percentiles_are_right_to_some_percent(given_: list[tuple[float, int]], share: float) -> None:
    timeline = Timeline()
    spread = timeline.spread()
    for seconds, nanoseconds in given_:
        spread.add(timeline.bucket(seconds), nanoseconds)
    view = View(timeline, len(given_))
    found = spread.percentiles_ms(view, share)
    for point in range(view.points):
        here = sorted(ns / 1e6 for seconds, ns in given_ if int(seconds / view.width_s) == point)
        if here:
            assert found[point] == pytest.approx(here[max(1, math.ceil(share * len(here))) - 1], rel=0.026)
        else:
            assert math.isnan(found[point])


def test_durations_beyond_the_bins_are_counted_at_their_ends() -> None:
    timeline = Timeline()
    spread = timeline.spread()
    for nanoseconds in (-5, 0, 1, 10**15):
        spread.add(timeline.bucket(0), nanoseconds)
    low, high = (spread.percentiles_ms(View(timeline, 4), share)[0] for share in (0.5, 1))
    assert low == pytest.approx(0.1, rel=0.03)
    assert high == pytest.approx(1e6, rel=0.06)


def test_ten_hours_take_as_much_memory_as_ten_seconds() -> None:
    timeline = Timeline()
    series, spread = timeline.series(), timeline.spread()
    tracemalloc.start()
    for frame in range(0, 10 * 3600 * 30, 7):
        bucket = timeline.bucket(frame / 30)
        series[bucket] += 1
        spread.add(bucket, 40_000_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000
    assert np.count_nonzero(series) > BUCKETS // 2 - 2
