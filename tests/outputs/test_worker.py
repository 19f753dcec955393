"""The thread that finishes things behind an output's back."""

from __future__ import annotations

import threading
import time

import pytest

from outputs.worker import Worker


def test_jobs_are_done_in_order_by_one_thread_and_all_of_them() -> None:
    done: list[tuple[int, str]] = []
    worker = Worker("test")
    worker.start()
    for number in range(20):
        worker.do(lambda number=number: done.append((number, threading.current_thread().name)))  # type: ignore[misc]
    worker.end()
    assert done == [(number, "roadstream-test") for number in range(20)]
    assert not worker.is_alive()


def test_the_first_error_is_told_once_and_the_others_are_done_all_the_same() -> None:
    done: list[int] = []

    def fail(number: int) -> None:
        done.append(number)
        raise OSError(number)

    worker = Worker("test")
    worker.start()
    worker.do(lambda: fail(1))
    worker.do(lambda: fail(2))
    worker.do(lambda: done.append(3))
    with pytest.raises(OSError, match="1"):
        worker.end()
    worker.check()
    assert done == [1, 2, 3]


def test_nobody_waits_for_a_job_but_for_the_third_that_is_waiting() -> None:
    """A disk that takes its time holds nobody up; one that is too slow for good does."""
    may_go_on, started, handed = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        may_go_on.wait(60)

    worker = Worker("test")
    worker.start()
    worker.do(slow)
    assert started.wait(60)
    worker.do(slow)
    worker.do(slow)

    def hand_over() -> None:
        worker.do(slow)
        handed.set()

    giver = threading.Thread(target=hand_over)
    giver.start()
    assert not handed.wait(0.2), "there is no end to what may wait"
    may_go_on.set()
    assert handed.wait(60)
    giver.join()
    worker.end()


def test_an_error_is_known_while_the_worker_goes_on() -> None:
    def fail() -> None:
        raise ValueError("disk")

    worker = Worker("test")
    worker.start()
    worker.do(fail)
    with pytest.raises(ValueError, match="disk"):
        _check_for(worker, seconds=60)
    worker.end()


def _check_for(worker: Worker, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worker.check()
        time.sleep(0.001)
