"""Steering a run while it goes on: stop and pause, by anybody and in any order."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import pytest

from contracts.config import RunConfig
from contracts.control import Control
from pipeline.clock import Pacer
from pipeline.figures import Figures
from pipeline.runner import Run
from tests.support.fakes import CountingSource, EchoEngine, FirstPixelHead, ListOutput, session
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def run_of(source: CountingSource, output: ListOutput, control: Control) -> Run:
    return Run(
        RunConfig.build({"sources": ["fake"]}),
        source,
        [session(EchoEngine(), FirstPixelHead())],
        [output],
        paint=lambda result: result.frame.picture,
        figures=Figures([output], ["echo"], control.clock_ns),
        control=control,
    )


def drained(run: Run, errors: list[BaseException]) -> threading.Thread:
    """A caller that takes every result, in a thread."""

    def take() -> None:
        for _ in run.results():
            pass
        try:
            run.close()
        except BaseException as error:  # noqa: BLE001  # a thread's outermost frame
            errors.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_a_paused_run_stands_and_loses_nothing() -> None:
    control, output, errors = Control(), ListOutput(), list[BaseException]()
    run = run_of(CountingSource(5000), output, control)
    caller = drained(run, errors)
    until(lambda: len(output.indices) > 10, "frames")
    control.pause()
    time.sleep(0.2)  # the one that is being written
    standing, progress = len(output.indices), run.figures.progress()
    time.sleep(0.5)
    assert len(output.indices) == standing < 5000
    assert run.figures.progress() == progress
    control.resume()
    caller.join(60)
    assert output.indices == list(range(5000))
    assert (errors, output.closes) == ([], [None])


@pytest.mark.parametrize("how", ["stop", "run.stop", "source fails"])
def test_every_end_of_a_run_ends_its_pause(how: str) -> None:
    control, output, errors = Control(), ListOutput(), list[BaseException]()
    source = CountingSource(5000, fail_at=12 if how == "source fails" else None, pause_s=0.005)
    run = run_of(source, output, control)
    caller = drained(run, errors)
    until(lambda: len(output.indices) > 5, "frames")
    control.pause()
    if how == "stop":
        control.stop()
    elif how == "run.stop":
        run.stop()
    caller.join(60)
    assert not caller.is_alive()
    assert [str(error) for error in errors] == (["source broke"] if how == "source fails" else [])
    assert output.indices == list(range(len(output.indices)))


def test_the_clock_stands_while_paused() -> None:
    control = Control()
    control.pause()
    control.pause()  # by a second button
    first, real = control.clock_ns(), time.monotonic_ns()
    time.sleep(0.05)
    assert control.clock_ns() == first
    control.resume()
    control.resume()
    assert control.clock_ns() - first <= time.monotonic_ns() - real - 50_000_000


class Clock(Control):
    """A run's clock by hand; ``waits`` are the seconds that somebody waited for."""

    def __init__(self, paused: int = 0) -> None:
        super().__init__()
        self.now, self.waits, self._paused = 5_000_000_000, list[float](), paused
        clock = self

        class Stop(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                assert timeout is not None
                clock.waits.append(timeout)
                if not clock._paused:
                    clock.now += round(timeout * 1e9)
                return False

        self.stopping = Stop()

    def clock_ns(self) -> int:
        return self.now

    def wait_while_paused(self) -> None:
        self._paused = max(self._paused - 1, 0)


def test_a_paced_source_makes_nothing_up_for_after_a_pause() -> None:
    clock = Clock()
    pacer = Pacer(clock)
    pacer.wait(Fraction(0))
    pacer.wait(Fraction(1, 25))  # the clock stood since: this frame is due in 40 ms, however long the pause was
    assert clock.waits == [pytest.approx(0.04)]


def test_a_pause_while_a_frame_is_held_back_holds_it_back_for_longer() -> None:
    clock = Clock(paused=1)
    pacer = Pacer(clock)
    pacer.wait(Fraction(0))
    pacer.wait(Fraction(1, 25))
    assert clock.waits == [pytest.approx(0.04)] * 2
    assert clock.now == 5_040_000_000


def test_a_paused_run_does_not_read_on_at_its_pace() -> None:
    control = Control()
    pacer = Pacer(control)
    pacer.wait(Fraction(0))
    control.pause()
    held = threading.Thread(target=pacer.wait, args=[Fraction(1, 50)])
    held.start()
    held.join(0.3)
    assert held.is_alive()
    control.resume()
    held.join(60)
    assert not held.is_alive()


def test_an_output_that_waits_for_a_frame_does_not_write_it_while_the_run_is_paused() -> None:
    control, output, errors = Control(), ListOutput(), list[BaseException]()
    control.pause()
    caller = drained(run_of(CountingSource(100), output, control), errors)
    time.sleep(0.3)
    assert output.indices == []
    control.resume()
    caller.join(60)
    assert (output.indices, errors) == (list(range(100)), [])
