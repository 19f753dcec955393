"""Queues: order, waiting, dropping, and the three ways to end."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.queues import Aborted, BoundedQueue


def started(target: object) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


@given(st.lists(st.integers(), max_size=60), st.integers(1, 5))
def test_everything_comes_out_in_order_when_the_producer_waits(items: list[int], capacity: int) -> None:
    queue: BoundedQueue[int] = BoundedQueue(capacity)

    def produce() -> None:
        for item in items:
            queue.put(item)
        queue.finish()

    producer = started(produce)
    assert list(queue) == items
    producer.join(5)
    assert queue.dropped == 0


@given(st.lists(st.integers(), max_size=60), st.integers(1, 5))
def test_dropping_keeps_the_newest_and_counts_the_rest(items: list[int], capacity: int) -> None:
    queue: BoundedQueue[int] = BoundedQueue(capacity, drop_oldest=True)
    for item in items:
        queue.put(item)
    queue.finish()
    kept = deque(items, maxlen=capacity)
    assert list(queue) == list(kept)
    assert queue.dropped == len(items) - len(kept)


def test_put_waits_while_full_and_goes_on_when_there_is_room() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(1)
    waiting = started(lambda: queue.put(2))
    waiting.join(0.05)
    assert waiting.is_alive()
    taker = iter(queue)
    assert next(taker) == 1
    waiting.join(5)
    assert not waiting.is_alive()
    assert next(taker) == 2


def test_abort_tells_a_waiting_producer_and_a_waiting_consumer() -> None:
    told: list[str] = []

    def produce(queue: BoundedQueue[int]) -> None:
        try:
            queue.put(2)
        except Aborted:
            told.append("producer")

    def consume(queue: BoundedQueue[int]) -> None:
        try:
            next(iter(queue))
        except Aborted:
            told.append("consumer")

    full: BoundedQueue[int] = BoundedQueue(1)
    full.put(1)
    empty: BoundedQueue[int] = BoundedQueue(1)
    threads = [started(lambda: produce(full)), started(lambda: consume(empty))]
    full.abort()
    empty.abort()
    for thread in threads:
        thread.join(5)
    assert sorted(told) == ["consumer", "producer"]
    assert len(full) == 0


def test_discard_frees_a_waiting_producer_and_swallows_what_comes() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(1)
    waiting = started(lambda: queue.put(2))
    queue.discard()
    waiting.join(5)
    assert not waiting.is_alive()
    queue.put(3)
    queue.finish()
    assert list(queue) == []


def test_a_queue_does_not_keep_what_was_taken_alive() -> None:
    class Big:
        pass

    import weakref

    queue: BoundedQueue[Big] = BoundedQueue(2)
    big = Big()
    gone = weakref.ref(big)
    queue.put(big)
    del big
    taker = iter(queue)
    taken = next(taker)
    assert gone() is taken
    del taken
    queue.finish()
    with pytest.raises(StopIteration):
        next(taker)
    assert gone() is None
