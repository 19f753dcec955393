"""The run: order, the first error wins, outputs are always closed, no thread is left."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from contracts.errors import RoadStreamError
from contracts.picture import Picture
from contracts.result import Result
from pipeline import runner
from tests.support.fakes import CountingSource, EchoEngine, FirstPixelHead, ListOutput, make_run

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_every_frame_reaches_every_output_in_order_with_its_own_prediction() -> None:
    outputs = [ListOutput("one"), ListOutput("two", drawn=True)]
    engine, source = EchoEngine(), CountingSource(50)
    run = make_run(source, outputs, engine=engine)
    indices = [result.frame.index for result in run.results()]
    run.close()
    assert indices == list(range(50))
    for output in outputs:
        assert output.indices == output.seen == list(range(50))
        assert output.closes == [None]
    assert engine.closed
    assert source.closed.is_set()
    assert run.figures.finished == run.figures.read == 50
    assert run.figures.latency.count == 50


@pytest.mark.parametrize(
    ("where", "source", "engine", "outputs", "message"),
    [
        ("source", CountingSource(fail_at=7), EchoEngine(), [ListOutput()], "source broke"),
        ("engine", CountingSource(), EchoEngine(fail_at=7), [ListOutput()], "network broke"),
        ("first output", CountingSource(), EchoEngine(), [ListOutput("a", fail_at=7), ListOutput("b")], "output broke"),
        ("last output", CountingSource(), EchoEngine(), [ListOutput("a"), ListOutput("b", fail_at=7)], "output broke"),
        ("close", CountingSource(), EchoEngine(), [ListOutput("a", fail_close=True), ListOutput("b")], "close broke"),
        ("drawing", CountingSource(), EchoEngine(), [ListOutput("a", drawn=True)], "paint broke"),
    ],
)
def test_the_first_error_ends_the_run_and_reaches_the_caller(
    where: str, source: CountingSource, engine: EchoEngine, outputs: list[ListOutput], message: str
) -> None:
    def paint(result: Result) -> Picture:
        if where == "drawing" and result.frame.index == 7:
            raise RuntimeError("paint broke")
        return result.frame.picture

    run = make_run(source, outputs, engine=engine, paint=paint)
    for _ in run.results():
        pass
    with pytest.raises(RuntimeError, match=message) as caught:
        run.close()
    for output in outputs:
        assert len(output.closes) == 1
        if where not in {"close"}:
            assert output.closes[0] is caught.value
        # what was on its way before the fault is kept, without gaps
        assert output.indices == list(range(len(output.indices)))
    assert engine.closed
    if where == "source":
        assert outputs[0].indices == list(range(7))


def test_a_head_that_breaks_ends_the_run_at_once_and_gives_every_place_back() -> None:
    engine, output = EchoEngine(), ListOutput()
    run = make_run(CountingSource(1000), [output], engine=engine, head=FirstPixelHead(fail_at=30))
    start = time.monotonic()
    for _ in run.results():
        pass
    with pytest.raises(RuntimeError, match="head broke"):
        run.close()
    assert time.monotonic() - start < 5
    assert engine.tickets_open == 0
    assert output.indices == list(range(30))


def test_a_slow_output_is_waited_for_however_long_it_takes() -> None:
    """Hanging is told from working by whether anything moves, not by a total."""
    output = ListOutput(pause_s=0.3)
    run = make_run(CountingSource(1000), [output])
    next(run.results())
    run.close()
    assert output.closes == [None]
    assert len(output.indices) >= 3


def test_an_output_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_HUNG_FINISHING_S", 0.5)
    release = threading.Event()

    class Hanging(ListOutput):
        def close(self, error: BaseException | None) -> None:
            release.wait(30)

    run = make_run(CountingSource(3), [Hanging("stuck")])
    for _ in run.results():
        pass
    with pytest.raises(RoadStreamError, match="did not end: roadstream-stuck"):
        run.close()
    release.set()
    for thread in threading.enumerate():
        if thread.name == "roadstream-stuck":
            thread.join(10)


@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_while_files_are_finished_waits_for_them() -> None:
    output = ListOutput()
    finish = output.close

    def slow(error: BaseException | None) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        finish(error)

    output.close = slow  # type: ignore[method-assign]
    run = make_run(CountingSource(3), [output])

    def whole() -> None:
        for _ in run.results():
            pass
        run.close()

    with pytest.raises(KeyboardInterrupt):
        whole()
    run.close()
    assert output.closes == [None]


def test_an_engine_that_cannot_close_does_not_hide_the_first_error() -> None:
    engine = EchoEngine()

    def broken() -> None:
        raise RuntimeError("cannot close")

    engine.close = broken  # type: ignore[method-assign]
    run = make_run(CountingSource(fail_at=3), [ListOutput()], engine=engine)
    for _ in run.results():
        pass
    with pytest.raises(RuntimeError, match="source broke"):
        run.close()


def test_outputs_of_the_same_name_are_told_apart() -> None:
    run = make_run(CountingSource(5), [ListOutput("a"), ListOutput("a"), ListOutput("draw")])
    for _ in run.results():
        pass
    run.close()
    assert run.figures.writes == {"a": 5, "a-2": 5, "draw-2": 5}
    assert run.figures.latency.count == 5


def test_the_reader_never_runs_ahead_of_a_slow_caller() -> None:
    source = CountingSource(200)
    run = make_run(source)
    for result in run.results():
        time.sleep(0.005)
        # queues of 3, 1 and 3, and one frame in each hand
        assert run.figures.read - result.frame.index <= 14
    run.close()


def test_a_live_caller_s_drops_are_counted() -> None:
    run = make_run(CountingSource(60, live=True, pause_s=0.002))
    got = 0
    for _ in run.results():
        time.sleep(0.02)
        got += 1
    run.close()
    assert run.figures.caller_drops > 0
    assert got + run.figures.caller_drops == run.figures.inferred


def test_an_output_that_breaks_does_not_take_frames_from_the_others() -> None:
    good = ListOutput("good", pause_s=0.01)
    run = make_run(CountingSource(40), [ListOutput("bad", fail_at=20), good])
    for _ in run.results():
        pass
    with pytest.raises(RuntimeError, match="output broke"):
        run.close()
    assert good.indices[:20] == list(range(20))


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_finishes_what_is_on_its_way(taken: int) -> None:
    output = ListOutput(pause_s=0.002)
    run = make_run(CountingSource(10_000), [output])
    results = run.results()
    for _ in range(taken):
        next(results)
    run.close()
    assert output.closes == [None]
    assert output.indices == list(range(len(output.indices)))
    assert taken <= len(output.indices) < 10_000 or taken == 0


def test_stop_from_another_thread_ends_the_callers_loop() -> None:
    run = make_run(CountingSource(10_000, pause_s=0.001), [ListOutput()])
    threading.Timer(0.05, run.stop).start()
    count = sum(1 for _ in run.results())
    run.close()
    assert count < 10_000


def test_a_live_source_drops_before_the_network_and_says_so() -> None:
    output = ListOutput()
    source = CountingSource(200, live=True, pause_s=0.001)
    engine = EchoEngine()
    slow = engine.submit

    def submit(tensors: object) -> object:
        threading.Event().wait(0.01)
        return slow(tensors)  # type: ignore[arg-type]

    engine.submit = submit  # type: ignore[assignment]
    run = make_run(source, [output], engine=engine)
    for _ in run.results():
        pass
    run.close()
    figures = run.figures
    assert figures.dropped > 0
    assert figures.inferred + figures.dropped == figures.read == 200
    assert output.indices == sorted(output.indices)
    assert output.seen == [index % 256 for index in output.indices]
    assert figures.age.count == figures.inferred


def test_a_slow_output_of_a_live_run_drops_only_its_own_frames() -> None:
    quick, slow = ListOutput("quick"), ListOutput("slow", pause_s=0.1)
    run = make_run(CountingSource(60, live=True, pause_s=0.02), [quick, slow])
    for _ in run.results():
        pass
    run.close()
    drops = run.figures.output_drops()
    assert drops["slow"] > 0
    assert drops["quick"] == 0
    assert len(slow.indices) + drops["slow"] == run.figures.inferred == len(quick.indices)


def test_a_slow_caller_of_a_recorded_run_gets_every_frame() -> None:
    run = make_run(CountingSource(30))
    indices = []
    for result in run.results():
        threading.Event().wait(0.003)
        indices.append(result.frame.index)
    run.close()
    assert indices == list(range(30))


@pytest.mark.parametrize(
    ("options", "expected"), [({"max_frames": 3}, 3), ({"seconds": 0.2}, 5), ({"seconds": 0.2, "max_frames": 2}, 2)]
)
def test_limits_end_the_run_exactly(options: dict[str, Any], expected: int) -> None:
    output = ListOutput()
    run = make_run(CountingSource(100), [output], **options)
    for _ in run.results():
        pass
    run.close()
    assert output.indices == list(range(expected))
    assert run.figures.read == expected


def test_pictures_are_drawn_once_and_only_when_somebody_wants_them() -> None:
    painted: list[int] = []

    def paint(result: Result) -> Picture:
        painted.append(result.frame.index)
        return result.frame.picture

    plain = make_run(CountingSource(5), [ListOutput()], paint=paint)
    for _ in plain.results():
        pass
    plain.close()
    assert painted == []
    drawn = make_run(CountingSource(5), [ListOutput("a", drawn=True), ListOutput("b", drawn=True)], paint=paint)
    for result in drawn.results():
        result.drawn()
    drawn.close()
    assert painted == list(range(5))


def test_threads_end_even_when_the_results_were_never_asked_for() -> None:
    output = ListOutput()
    run = make_run(CountingSource(5), [output])
    run.close()
    assert output.indices == []
    assert output.closes == [None]
