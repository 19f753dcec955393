"""The core of live sources: what comes, goes, hangs and comes again; limits that hold in every state."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import backoff
from contracts.errors import SourceError, UsageError
from contracts.frame import Frame
from contracts.live import LiveState, Patience
from contracts.secrets import learn
from sources.live import line
from sources.live.connection import Fault
from sources.live.line import Line
from sources.live.source import Identity, LiveSource
from tests.support.connections import TICK, Script, Step
from tests.support.waiting import LONG_S, until

pytestmark = pytest.mark.usefixtures("no_thread_stays")

WHO = Identity("cam", "rtsp://camera/live", "rtsp://camera/live")
SOON = Patience(open_s=0.5, read_s=0.4, reconnect=3)
"""For those who wait for the end of a limit."""
SURE = Patience(open_s=30, read_s=30, reconnect=3)
"""Limits that no busy machine reaches."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    monkeypatch.setattr(backoff, "_MOST_S", 0.002)


def source(script: Script, patience: Patience = SURE, **options: object) -> LiveSource:
    return LiveSource(WHO, script, patience, **options)  # type: ignore[arg-type]


def taken(live: LiveSource) -> tuple[list[Frame], SourceError | None]:
    """All frames, and what ended them."""
    frames: list[Frame] = []
    try:
        for frame in live.frames():
            frames.append(frame)  # noqa: PERF402  # those before the error count
    except SourceError as error:
        return frames, error
    finally:
        live.close()
    return frames, None


def paced(*stamps: int) -> list[Step]:
    """Pictures with a moment between them, so that none is left out."""
    return list(itertools.chain.from_iterable((stamp, 0.03) for stamp in stamps))


def test_what_comes_is_given_on_and_the_end_is_no_loss() -> None:
    live = source(Script([[*paced(100, 101, 103), "end"]]))
    frames, error = taken(live)
    assert error is None
    assert [frame.pts for frame in frames] == [0, Fraction(1, 25), Fraction(3, 25)]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert live.status.state is LiveState.ENDED
    assert live.status.reason == "complete"
    assert live.losses.lost == 0


def test_an_outage_is_a_gap_in_count_and_time_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    fault = Fault("rtsp://camera/live is gone")
    live = source(Script([[*paced(7, 8), fault], fault, [0.3, *paced(900, 901), "end"]]))
    frames, error = taken(live)
    assert error is None
    assert [frame.connection for frame in frames] == [0, 0, 1, 1]
    outage = frames[2].outage
    assert outage is not None
    assert outage.reason == fault.message
    assert [frame.outage is not None for frame in frames] == [False, False, True, False]
    apart = Fraction(frames[2].arrival - frames[1].arrival, 10**9)
    assert outage.seconds == apart > 0.3
    assert abs(frames[2].pts - frames[1].pts - apart) <= Fraction(1, 25)
    assert frames[3].pts - frames[2].pts == Fraction(1, 25)
    assert frames[2].index == frames[1].index + 1 + outage.lost
    assert outage.lost == round(apart * 25) - 1
    assert live.losses.lost == outage.lost
    assert live.losses.reconnects == 1
    assert caplog.text.count("is back after") == 1


@pytest.mark.parametrize(
    ("courses", "reconnect", "tries"),
    [
        ([Fault("wrong password", again="never")], 3, 1),
        ([Fault("no such path", again="once live")], 3, 1),
        ([Fault("refused")], 3, 4),
        ([Fault("refused")], 0, 1),
        ([Fault("refused")], "auto", 6),
        ([[1, 0.05, Fault("gone")], Fault("wrong password", again="never")], None, 2),
        ([[1, 0.05, Fault("gone")], Fault("no such path", again="once live")], 2, 3),
        ([[1, 0.05, Fault("gone")], Fault("refused")], "auto", 3),
        ([[1, 0.05, Fault("gone")], [1, 0.05, Fault("gone")], Fault("refused")], 2, 4),
    ],
)
def test_how_often_it_is_tried(courses: list[list[Step] | Exception], reconnect: int | None, tries: int) -> None:
    script = Script(courses)
    error: SourceError | None
    try:
        _, error = taken(source(script, Patience(30, 30, reconnect), tries=2))
    except SourceError as refused:
        error = refused
    assert len(script.attempts) == tries
    assert error is not None
    assert error.exit_code == 3
    assert all(connection.closed == 1 for connection in script.opened)


def test_a_source_that_was_live_again_has_all_its_tries_again() -> None:
    steady: list[Step] = [*paced(1, 2, 3), Fault("gone")]
    script = Script([steady, steady, steady, steady, [*paced(1), "end"]])
    assert taken(source(script, Patience(30, 30, 1)))[1] is None


def test_states_are_gone_through_in_their_order() -> None:
    line: Line

    def comes_to(state: LiveState) -> Step:
        return lambda: until(lambda: line.status.state is state, str(state))

    live, stalled, connecting = map(comes_to, (LiveState.LIVE, LiveState.STALLED, LiveState.CONNECTING))
    script = Script([[1, live, stalled, 2, live, "hang"], [connecting, 3, live, "end"]])
    line = Line("cam", script, Patience(30, 2, 3), tries=None)
    while line.next() is not None:
        pass
    line.close()
    assert len(script.attempts) == 2
    assert line.status.state is LiveState.ENDED


@pytest.mark.parametrize("where", ["before the first picture", "after it"])
def test_silence_is_noticed_in_time(where: str) -> None:
    script = Script([["hang"] if where == "before the first picture" else [1, "hang"]])
    begun = time.monotonic()
    words = "has sent no picture for 0.5 s" if where == "before the first picture" else "no more pictures for 0.4 s"
    with pytest.raises(SourceError, match=words):
        raise taken(source(script, replace(SOON, reconnect=0)))[1] or AssertionError
    assert time.monotonic() - begun < 5


def test_a_library_that_never_returns_costs_no_more_than_three_threads() -> None:
    forever = threading.Event()
    script = Script([[1, forever.wait]])
    line = Line("cam", script, Patience(0.2, 0.1, 12), tries=None)
    most = 0

    def take_all() -> None:
        nonlocal most
        while line.next() is not None:
            most = max(most, sum(thread.name == "cam" for thread in threading.enumerate()))

    with pytest.raises(SourceError, match="3 earlier connections of cam hang"):
        take_all()
    assert most == 3
    assert len(script.attempts) == 3
    begun = time.monotonic()
    line.close()
    assert time.monotonic() - begun < 3
    forever.set()


def test_a_connection_that_was_given_up_hears_that_nobody_waits_any_more() -> None:
    """Else it would hang for as long as its peer likes, and three such keep the source away for good."""
    frames, error = taken(source(Script([*[["hang"]] * 4, [*paced(1), "end"]]), Patience(0.3, 30, 12)))
    assert (len(frames), error) == (1, None)


@pytest.mark.parametrize("course", [["hang"], [1, "hang"], Fault("refused"), [*range(50)]], ids=str)
@pytest.mark.parametrize("live", [True, False])
def test_close_ends_every_wait_at_once(course: list[Step] | Exception, live: bool) -> None:
    line = Line("cam", Script([course], live=live), Patience(30, 30, None), tries=None)
    taking = threading.Thread(target=lambda: list(iter(line.next, None)))
    taking.start()
    time.sleep(0.1)
    begun = time.monotonic()
    line.close()
    taking.join(10)
    assert not taking.is_alive()
    assert time.monotonic() - begun < 5
    assert line.status.state is LiveState.ENDED
    assert line.next() is None


@pytest.mark.parametrize("course", [["hang"], Fault("refused")], ids=["hanging", "refused"])
def test_who_opens_it_may_be_told_to_stop(course: list[Step] | Exception) -> None:
    """By a flag: there is no source to be closed yet."""
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(SourceError):
        source(Script([course]), Patience(60, 60, None, stopped=stop.is_set))
    assert 0.2 < time.monotonic() - begun < 10


def test_a_recorded_stream_gives_every_picture_once_to_a_slow_taker_and_goes_on_where_it_was_cut() -> None:
    cut = Fault("cut")
    script = Script([[*range(10), cut], [*range(4, 12), cut], [*range(11, 30), "end"]], live=False)
    live = source(script)
    frames = []
    for frame in live.frames():
        frames.append(frame)
        time.sleep(0.005)
    live.close()
    assert [int(frame.picture.bgr()[0, 0, 0]) for frame in frames] == list(range(30))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.pts for frame in frames] == [Fraction(n, 25) for n in range(30)]
    assert [attempt.position for attempt in script.attempts] == [None, Fraction(9, 25), Fraction(11, 25)]
    assert live.losses.lost == live.losses.dropped == 0
    assert not live.info.live


def test_a_recorded_stream_may_be_cut_as_often_as_it_likes_while_it_gets_on() -> None:
    cut = Fault("cut")
    getting_on: list[list[Step] | Exception] = [[*range(3 * n, 3 * n + 3), cut] for n in range(9)]
    frames, error = taken(source(Script([*getting_on, [*range(28), cut]], live=False), Patience(30, 30, 2)))
    assert len(frames) == 28
    assert error is not None


def test_a_recorded_stream_without_stamps_that_is_always_cut_comes_to_an_end() -> None:
    course: list[Step] = ["unstamped", "unstamped", Fault("cut")]
    _, error = taken(source(Script([course], live=False), Patience(30, 30, 2)))
    assert error is not None


def test_what_cannot_be_decoded_is_counted_and_leaves_a_gap() -> None:
    live = source(Script([[*paced(1), "lost", "lost", *paced(4), "end"]]))
    frames, _ = taken(live)
    assert [frame.index for frame in frames] == [0, 3]
    assert live.losses.lost == 2


def test_what_nobody_takes_in_time_is_counted_as_dropped() -> None:
    first_taken, all_there, go_on = (threading.Event() for _ in range(3))
    live = source(Script([[1, first_taken.wait, *range(2, 32), all_there.set, go_on.wait, "end"]]))
    frames = live.frames()
    first = next(frames)
    first_taken.set()
    assert all_there.wait(LONG_S)  # an engine that is far too slow
    threading.Timer(0.2, go_on.set).start()
    rest = list(frames)
    live.close()
    assert first.index == 0
    assert [frame.index for frame in rest] == [27, 28, 29, 30]
    assert live.losses.dropped == 31 - 1 - len(rest)


def test_what_came_before_anybody_asked_is_neither_given_nor_counted() -> None:
    loaded, asked = threading.Event(), threading.Event()
    live = source(Script([[*range(40), loaded.set, asked.wait, *paced(40, 41), "end"]]))
    assert loaded.wait(LONG_S)
    coming = live.frames()
    frames = [next(coming)]
    asked.set()
    frames += coming
    live.close()
    assert [int(frame.picture.bgr()[0, 0, 0]) for frame in frames] == [39, 40, 41]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].pts == 0
    assert frames[0].source.start == live.info.start == 39 * TICK, "the stream's own clock went on"
    assert frames[0].pts == 0


def test_another_size_after_a_reconnect_is_fitted_into_the_first_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script([[*paced(200), Fault("gone")], [*paced(200, 201), "end"]], sizes=[(32, 16), (16, 16)])
    frames, _ = taken(source(script))
    assert [frame.picture.bgr().shape for frame in frames] == [(16, 32, 3)] * 3
    columns = frames[1].picture.bgr().mean((0, 2))
    assert np.all(columns[:8] == 0)
    assert np.all(columns[8:24] == 200)
    assert np.all(columns[24:] == 0)
    assert caplog.text.count("scaled to 32×16") == 1


@pytest.mark.parametrize(("remind_s", "said"), [(3600.0, 3), (0.0, 9)])
def test_faults_that_take_turns_are_said_once_in_an_outage_and_then_by_the_hour(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, remind_s: float, said: int
) -> None:
    monkeypatch.setattr(line, "_REMIND_S", remind_s)
    monkeypatch.setattr(backoff, "_MOST_S", 0.01)
    turns = [Fault("it refuses"), Fault("it is silent")] * 4
    script = Script([[*paced(7), Fault("it is gone")], *turns, [*paced(9), Fault("it is gone")], [*paced(10), "end"]])
    frames, error = taken(source(script, Patience(reconnect=None)))
    assert (len(frames), error) == (3, None)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    first = warnings.index(next(text for text in warnings if "is back after" in text))
    assert sum("trying again" in text for text in warnings[:first]) == said
    assert [text.partition(":")[0] for text in warnings[first + 1 :] if "trying again" in text] == ["it is gone"]


def test_a_usage_error_of_an_opener_is_shown_as_it_is() -> None:
    script = Script([UsageError("a live stream cannot start later", "leave --start out")])
    with pytest.raises(UsageError, match="cannot start later"):
        source(script)
    assert len(script.attempts) == 1


def test_nothing_that_a_library_throws_shows_a_password(caplog: pytest.LogCaptureFixture) -> None:
    learn("rtsp://anna:geheim77@camera/live")
    thrown = OSError(5, "geheim77 refused", "rtsp://anna:geheim77@camera/live")
    with pytest.raises(SourceError) as caught:
        source(Script([thrown]), Patience(reconnect=0))
    chain: list[BaseException] = [caught.value]
    while (further := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(further)
    assert len(chain) > 1
    assert "geheim77" not in "".join(map(repr, chain)) + "".join(map(str, chain)) + caplog.text


STEPS = st.one_of(
    st.integers(0, 1000),
    st.sampled_from(["hang", "end", "lost", 0.01, 0.06]),
    st.sampled_from(["always", "once live", "never"]).map(lambda again: Fault("gone", again=again)),  # type: ignore[arg-type]
    st.just(ValueError("a library's mistake")),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=5), st.booleans())
def test_whatever_happens_it_ends_and_time_rises(courses: list[list[Step]], live: bool) -> None:
    """Only legal changes of state: ``Line`` asserts them."""
    script = Script([*courses, Fault("gone for good", again="never")], live=live)
    begun = time.monotonic()
    try:
        made = source(script, Patience(0.08, 0.05, 4))
    except SourceError:
        return
    frames, error = taken(made)
    assert error is None or error.exit_code == 3
    assert made.status.state is LiveState.ENDED
    stamps, indices = [frame.pts for frame in frames], [frame.index for frame in frames]
    assert stamps == sorted(set(stamps))
    assert indices == sorted(set(indices))
    assert time.monotonic() - begun < 60


def test_three_hundred_reconnects_leave_nothing_behind() -> None:
    script = Script([[1, 2, Fault("gone")]], sizes=[(640, 480)])
    live = source(script, Patience(5, 5, None))
    process, sizes = psutil.Process(), []
    for frame in live.frames():
        script.opened.clear()
        script.attempts.clear()
        if frame.connection % 100 == 50 and frame.outage is not None:
            sizes.append(process.memory_info().rss)
        if frame.connection == 300:
            break
    live.close()
    assert live.status.reconnects >= 300
    assert sizes[-1] - sizes[0] < 20 << 20
