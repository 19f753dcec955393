"""One engine for several users: everybody's own answers, in turns, and nobody waits for one who is slow."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.protocols import Engine, EngineFacts, Tensors
from contracts.tensor import TensorSpec
from engines.open import open_engine
from engines.places import LateError, places_each
from engines.shared import EngineView, SharedEngine
from tests.support.fakes import CARD
from tests.support.networks import box_network
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

_SPEC = TensorSpec("x", (1,), "int64", "N")
_LONG_S = 30.0  # for a busy machine


class HeldTicket:
    """Answers with its input once it is let go."""

    def __init__(self, engine: HeldEngine, number: int) -> None:
        self.engine, self.number = engine, number
        self.go, self.closed = threading.Event(), False

    def result(self, timeout_s: float) -> Tensors:
        if not self.go.wait(timeout_s):
            raise LateError("late")
        if self.closed:
            raise EngineError("closed")
        if self.number in self.engine.broken:
            raise EngineError(f"broke at {self.number}")
        return {"x": np.array([self.number])}

    def close(self) -> None:
        self.closed = True
        self.go.set()


class HeldEngine:
    """Starts what it is given and finishes it when the test says so; ``depth`` may run at once."""

    name, inputs, outputs, card = "held", (_SPEC,), (_SPEC,), CARD
    facts = EngineFacts("held", "held.onnx", "fake", "cpu", "int64", "0")

    def __init__(self, depth: int = 1) -> None:
        self.depth = depth
        self.started: list[HeldTicket] = []
        self.broken: set[int] = set()
        self.closed = 0

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        return np.zeros(1, np.int64)

    def submit(self, tensors: Tensors) -> HeldTicket:
        running = [ticket for ticket in self.started if not ticket.go.is_set()]
        assert len(running) < self.depth
        self.started.append(HeldTicket(self, int(tensors["x"][0])))
        return self.started[-1]

    def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        return [ticket.number for ticket in self.started]


def ask(view: EngineView, number: int) -> Any:
    return view.submit({"x": np.array([number])})


def let_all_go(engine: HeldEngine, count: int) -> None:
    for position in range(count):
        until(lambda at=position: len(engine.started) > at, "it was started")  # type: ignore[misc]
        engine.started[position].go.set()


@pytest.mark.parametrize(
    ("depth", "users", "live", "each"),
    [(3, 1, False, 3), (3, 2, False, 3), (3, 4, False, 2), (2, 16, False, 2), (2, 2, True, 2), (2, 4, True, 1)],
)
def test_places_for_everybody(depth: int, users: int, live: bool, each: int) -> None:
    assert places_each(depth, users, live=live) == each


def test_views_take_turns_however_much_one_of_them_asks_for() -> None:
    engine = HeldEngine()
    shared = SharedEngine(engine, 3)
    greedy, modest, late = shared.view(), shared.view(), shared.view()
    tickets = [ask(greedy, 10), ask(greedy, 11), ask(modest, 20)]
    until(lambda: engine.numbers == [10], "the first was started")
    tickets.append(ask(late, 30))
    let_all_go(engine, 4)
    assert engine.numbers == [10, 20, 30, 11]
    assert [int(ticket.result(_LONG_S)["x"][0]) for ticket in tickets] == [10, 11, 20, 30]
    shared.close()
    assert engine.closed == 1


def test_one_who_does_not_take_its_results_holds_up_nobody() -> None:
    engine = HeldEngine(depth=2)
    shared = SharedEngine(engine, 2)
    stuck, other = shared.view(), shared.view()
    held = [ask(stuck, number) for number in range(stuck.depth)]
    for number in range(100, 120):
        ticket = ask(other, number)
        let_all_go(engine, len(engine.started))
        until(lambda at=number: at in engine.numbers, "it was started")  # type: ignore[misc]
        let_all_go(engine, len(engine.started))
        assert int(ticket.result(_LONG_S)["x"][0]) == number
        ticket.close()
    assert [int(ticket.result(_LONG_S)["x"][0]) for ticket in held] == list(range(stuck.depth))
    shared.close()


def test_a_view_that_closes_takes_back_what_it_asked_for() -> None:
    engine = HeldEngine()
    shared = SharedEngine(engine, 2)
    gone, other = shared.view(), shared.view()
    running, waiting, wanted = ask(gone, 1), ask(gone, 2), ask(other, 3)
    until(lambda: engine.numbers == [1], "the first was started")
    gone.close()
    gone.close()
    until(lambda: 3 in engine.numbers, "the other's was started")
    assert engine.numbers == [1, 3]
    assert engine.closed == 0
    for ticket in (running, waiting):
        with pytest.raises(EngineError, match="closed"):
            ticket.result(1)
    with pytest.raises(EngineError, match="closed"):
        ask(gone, 4)
    let_all_go(engine, 2)
    assert int(wanted.result(_LONG_S)["x"][0]) == 3
    shared.close()


def test_a_failed_inference_is_told_to_its_user_alone() -> None:
    engine = HeldEngine()
    engine.broken = {1}
    shared = SharedEngine(engine, 2)
    one, other = shared.view(), shared.view()
    bad, good = ask(one, 1), ask(other, 2)
    let_all_go(engine, 2)
    assert int(good.result(_LONG_S)["x"][0]) == 2
    with pytest.raises(EngineError, match="broke at 1"):
        bad.result(_LONG_S)
    shared.close()


def test_who_waits_hears_of_the_end_and_of_its_own_time() -> None:
    engine = HeldEngine()
    shared = SharedEngine(engine, 2)
    one, other = shared.view(), shared.view()
    running, waiting = ask(one, 1), ask(other, 2)
    with pytest.raises(EngineError, match="did not answer in 0 s"):
        waiting.result(0)
    with pytest.raises(EngineError, match=r"late|did not answer"):
        running.result(0)
    shared.close()
    for ticket in (running, waiting):
        with pytest.raises(EngineError, match="closed"):
            ticket.result(_LONG_S)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_everybody_gets_what_the_engine_alone_gives(backend: str, tmp_path: Path) -> None:
    """Pictures of three users at once, each of its own grey: answers that depend on it are nobody else's."""
    config = EngineConfig.model_validate(
        {"file": box_network(tmp_path / "boxes.onnx", drift=16), "backend": backend, "threads": 1}
    )
    alone = open_engine(config)
    expected = {grey: _answer(alone, grey) for grey in range(0, 256, 5)}
    alone.close()
    shared = SharedEngine(open_engine(config, users=3), 3)
    seen: dict[int, NDArray[Any]] = {}
    users = [threading.Thread(target=_look, args=(shared.view(), range(first, 256, 15), seen)) for first in (0, 5, 10)]
    for user in users:
        user.start()
    for user in users:
        user.join(_LONG_S)
    shared.close()
    assert seen.keys() == expected.keys()
    for grey, answer in seen.items():
        assert np.array_equal(answer, expected[grey]), grey


def _answer(engine: Engine, grey: int) -> NDArray[Any]:
    ticket = _submitted(engine, grey)
    answer = np.array(ticket.result(_LONG_S)["boxes"])
    ticket.close()
    return answer


def _submitted(engine: Engine, grey: int) -> Any:
    spec = engine.inputs[0]
    array = engine.buffer(spec)
    array[:] = grey if spec.dtype == "uint8" else grey / 255
    return engine.submit({spec.name: array})


def _look(view: EngineView, greys: range, seen: dict[int, NDArray[Any]]) -> None:
    """As a run does: the next ones are on their way while the first is looked at."""
    waiting: list[tuple[int, Any]] = []
    for grey in greys:
        if len(waiting) == view.depth:
            _take(*waiting.pop(0), seen)
        waiting.append((grey, _submitted(view, grey)))
    for grey, ticket in waiting:
        _take(grey, ticket, seen)


def _take(grey: int, ticket: Any, seen: dict[int, NDArray[Any]]) -> None:
    seen[grey] = np.array(ticket.result(_LONG_S)["boxes"])
    ticket.close()
