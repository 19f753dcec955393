"""Measuring: percentiles in constant memory, pacing, age."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.control import Control
from pipeline import figures
from pipeline.clock import AgeEstimate, Pacer
from pipeline.figures import Figures
from pipeline.measure import Histogram, Meters, timed


@given(st.lists(st.integers(1_000, 10**11), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_agree_with_numpy_within_the_bin_width(durations: list[int], share: float) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    exact = float(np.percentile(durations, share * 100, method="inverted_cdf")) / 1e6
    assert histogram.percentile_ms(share) == pytest.approx(exact, rel=0.0101)


@pytest.mark.parametrize("duration", [0, 1, 10**12, 10**15])
def test_durations_off_the_scale_are_counted_at_its_ends(duration: int) -> None:
    histogram = Histogram()
    histogram.add(duration)
    assert histogram.count == 1
    assert histogram.percentile_ms(0.5) is not None


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().summary() == {"p50_ms": None, "p95_ms": None, "p99_ms": None}


def test_recent_mean_starts_again_after_each_look() -> None:
    histogram = Histogram()
    for milliseconds in (10, 20):
        histogram.add(milliseconds * 1_000_000)
    assert histogram.recent_ms() == 15
    assert histogram.recent_ms() is None
    histogram.add(7_000_000)
    assert histogram.recent_ms() == 7


def test_timed_tells_waiting_from_working() -> None:
    meters = Meters()
    with timed("sleep") as watch:
        time.sleep(0.02)
    assert watch.span is not None
    meters.add(watch.span)
    assert watch.span.end - watch.span.start >= 20_000_000
    assert watch.span.cpu < 10_000_000
    assert [name for name, _ in meters.items()] == ["sleep"]


def test_pacer_holds_frames_until_they_are_due_and_lets_late_ones_pass() -> None:
    pacer = Pacer(Control())
    start = time.monotonic()
    pacer.wait(Fraction(5))  # the first frame given out is due at once, whatever its pts
    assert time.monotonic() - start < 3
    pacer.wait(Fraction(5) + Fraction(1, 10))
    assert time.monotonic() - start >= 0.099
    time.sleep(1)
    late = time.monotonic()
    pacer.wait(Fraction(5) + Fraction(11, 10))  # a second after the last one
    assert time.monotonic() - late < 0.5


def test_pacer_ends_its_wait_when_the_run_stops() -> None:
    control = Control()
    pacer = Pacer(control)
    pacer.wait(Fraction(0))
    threading.Timer(0.05, control.stopping.set).start()
    start = time.monotonic()
    pacer.wait(Fraction(3600))
    assert time.monotonic() - start < 5


def test_age_is_what_arrival_lags_behind_the_stream() -> None:
    age = AgeEstimate()
    ms = 1_000_000
    arrivals = [(1000, 0), (1040, 40), (1180, 80), (1190, 120), (1160, 160)]  # a stall of 100 ms, then catching up
    found = [age.on_arrival_ms(arrival * ms, Fraction(pts, 1000)) for arrival, pts in arrivals]
    assert found == pytest.approx([0, 0, 100, 70, 0], abs=0.1)


@pytest.mark.parametrize("ppm", [-50, 0, 50, 90])
def test_age_is_not_the_drift_of_two_clocks(ppm: int) -> None:
    """A day at one frame per second: 50 millionths are four seconds by then. A stall is still seen."""
    age, second = AgeEstimate(), 1_000_000_000
    found = [age.on_arrival_ms(at * (second + ppm * 1000), Fraction(at)) for at in range(24 * 3600)]
    assert max(found) < 1
    late = age.on_arrival_ms(24 * 3600 * (second + ppm * 1000) + 2 * second, Fraction(24 * 3600))
    assert late == pytest.approx(2000, abs=5)


def test_the_panels_rows_stay_where_no_frame_came_since_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of less than two frames a second: half a second passes in which nothing is decoded."""
    monkeypatch.setattr(figures, "_PANEL_EVERY_NS", 0)
    counted = Figures([], ["slow"])
    counted.meters["decode"].wall.add(4_000_000)
    counted.meters["infer"].wall.add(800_000_000)
    counted.latency.add(900_000_000)
    counted.panel()
    counted.meters["infer"].wall.add(700_000_000)
    second = counted.panel()
    assert second is not None
    assert (second.stages, second.latency_ms) == ((("decode", 4.0), ("infer", 700.0)), 900.0)
