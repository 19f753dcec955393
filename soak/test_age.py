"""An engine four times too slow for its camera: what is seen is never old, and every frame is accounted for."""

from __future__ import annotations

import time

import numpy as np

from contracts.live import Patience
from sources.open import open_source
from tests.support.fakes import make_run
from tests.support.rtsp_server import Mount, rtsp_server
from tests.support.slow_engine import AgeOutput, SlowEngine

RATE = 30
ENGINE_S = 4 / RATE


def test_age_stays_flat_and_drops_are_counted_exactly(minutes: float) -> None:
    with rtsp_server(Mount(width=640, height=360, rate=RATE)) as server:
        source = open_source(server.url(), patience=Patience())
        output = AgeOutput(lambda number: server.made_ns(number, RATE))
        run = make_run(source, [output], engine=SlowEngine(ENGINE_S), live=True)  # type: ignore[arg-type, list-item]
        end = time.monotonic() + 60 * minutes
        for _ in run.results():
            if time.monotonic() > end:
                break
        run.close()
    seen, figures = output.seen, run.figures
    assert all(each.number is not None for each in seen)
    ages = np.array([each.age_s for each in seen])
    at = np.array([each.at_s for each in seen]) - seen[0].at_s
    share = min(60.0, at[-1] / 3)
    first, last = np.median(ages[at < share]), np.median(ages[at > at[-1] - share])
    p50, p99, most = 1e3 * np.quantile(ages, (0.5, 0.99, 1))
    print(f"\nage p50 {p50:.0f}, p99 {p99:.0f}, most {most:.0f} ms; first {1e3 * first:.0f}, last {1e3 * last:.0f} ms")
    print(f"{len(seen)} of {figures.read + figures.losses.dropped} frames seen, {figures.dropped} dropped")
    numbers = np.array([each.number for each in seen])
    indices = np.array([each.index for each in seen])
    late = np.diff(numbers) - np.diff(indices)  # pictures the busy server left out itself: it says so by their number
    assert late.min() >= 0
    assert late.sum() <= 0.01 * len(numbers) * RATE * ENGINE_S
    assert figures.losses.lost == 0
    came, left_out = figures.read + figures.losses.dropped, int(indices[-1]) + 1 - len(seen)
    assert 0 <= came - (int(indices[-1]) + 1) <= 6  # those behind the last result, when the run was ended
    assert 0 <= figures.dropped - left_out <= 6
    assert np.quantile(ages, 0.99) <= 2 * ENGINE_S + 0.3
    assert abs(last - first) <= 0.1 * first
