"""Waits between tries: they double up to a limit, differ from camera to camera, and begin anew."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from contracts.backoff import Backoff

PLAIN = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(0, 2**32))
def test_waits_double_up_to_half_a_minute_and_differ_by_a_quarter_at_most(seed: int) -> None:
    backoff = Backoff(random.Random(seed))
    for plain in PLAIN:
        assert 0.75 * plain <= backoff.next_s() <= 1.25 * plain
    assert backoff.failures == len(PLAIN)
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next_s() <= 1.25 * PLAIN[0]


def test_cameras_lost_together_do_not_come_back_together() -> None:
    assert len({Backoff().next_s() for _ in range(20)}) > 15


def test_a_month_of_failures_is_no_number_too_large() -> None:
    backoff = Backoff()
    assert max(backoff.next_s() for _ in range(100_000)) <= 1.25 * 30
