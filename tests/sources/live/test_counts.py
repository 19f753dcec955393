"""Every picture of a live source is given out, dropped or lost, and no one is two of these."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import backoff
from contracts.errors import SourceError
from contracts.frame import Frame
from contracts.live import LiveState, Patience
from sources.live.connection import Fault
from sources.live.source import Identity, LiveSource
from tests.support.connections import Script, Step
from tests.support.waiting import LONG_S

WHO = Identity("cam", "rtsp://camera/live", "the camera")
GONE = "the camera is gone"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    monkeypatch.setattr(backoff, "_MOST_S", 0.002)


def source(script: Script, reconnect: int | None = None) -> LiveSource:
    return LiveSource(WHO, script, Patience(30, 30, reconnect))


def taken(live: LiveSource, pause_s: float = 0.0) -> list[Frame]:
    frames = []
    for frame in live.frames():
        frames.append(frame)
        time.sleep(pause_s)
    live.close()
    return frames


def adds_up(live: LiveSource, frames: list[Frame]) -> bool:
    losses = live.losses
    return frames[-1].index + 1 == len(frames) + losses.dropped + losses.lost


PICTURES = st.lists(st.one_of(st.integers(0, 999), st.sampled_from(["lost", 0.002, 0.02])), max_size=8)
OVER = st.builds(lambda steps: [*steps, Fault(GONE)], PICTURES)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PICTURES, st.lists(OVER, max_size=4), PICTURES, st.sampled_from([0.0, 0.004]))
def test_the_last_index_and_one_is_all_there_was(
    first: list[Step], over: list[list[Step]], last: list[Step], pause_s: float
) -> None:
    courses: list[list[Step]] = [[0, *first, Fault(GONE)], *over, [*last, 1000, "end"]]
    live = source(Script(courses))
    frames = taken(live, pause_s)
    assert adds_up(live, frames)
    assert live.status.state is LiveState.ENDED
    outages = [frame.outage for frame in frames if frame.outage is not None]
    assert len(outages) == live.status.reconnects == live.losses.reconnects == frames[-1].connection
    assert live.status.outages_s == pytest.approx(float(sum(outage.seconds for outage in outages)))


def test_what_came_while_networks_were_loaded_is_in_no_count() -> None:
    loaded, asked = threading.Event(), threading.Event()
    live = source(Script([[0, "lost", *range(1, 40), "lost", loaded.set, asked.wait, 40, 0.05, "end"]]))
    assert loaded.wait(LONG_S)
    coming = live.frames()
    frames = [next(coming)]
    asked.set()
    frames += coming
    live.close()
    assert [frame.index for frame in frames] == [0, 2]
    assert (live.losses.dropped, live.losses.lost) == (0, 1), "the one that came between the two"


def test_undecodable_pictures_at_the_edges_of_an_outage_are_lost_once() -> None:
    course: list[list[Step]] = [[0, 0.03, "lost", "lost", Fault(GONE)], [0.4, "lost", "lost", "lost", 9, 0.03, "end"]]
    live = source(Script(course))
    first, second = taken(live)
    outage = second.outage
    assert outage is not None
    assert outage.lost == round(Fraction(second.arrival - first.arrival, 10**9) * 25) - 1 - 5
    assert live.losses.lost == outage.lost + 5
    assert second.index == live.losses.lost + 1


def test_an_outage_lasts_while_it_does_and_is_counted_when_the_source_is_given_up() -> None:
    live = source(Script([[0, 0.03, Fault(GONE)], [0.15, Fault("the camera refuses")]]), reconnect=3)
    before = live.status
    frames = live.frames()
    first = next(frames)
    assert (before.last_ns, live.status.last_ns) == (None, first.arrival)
    assert live.status.outages_s == 0
    with pytest.raises(SourceError, match="refuses"):
        next(frames)
    ended = live.status
    live.close()
    assert (ended.state, ended.reason, ended.why_lost) == (LiveState.ENDED, "the camera refuses", GONE)
    assert ended.outages_s == pytest.approx((ended.since_ns - first.arrival) / 1e9)
    assert ended.outages_s > 0.4
    time.sleep(0.05)
    assert live.status.outages_s == ended.outages_s, "it is over"
    assert live.status.reconnects == 0


def test_a_source_that_is_closed_while_it_lives_had_no_outage() -> None:
    live = source(Script([[0, 1, 2, "hang"]]))
    next(live.frames())
    live.close()
    assert live.status.outages_s == 0
    assert live.status.reason == "closed"
