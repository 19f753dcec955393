"""What both runtimes promise: numbers, order, depth, deadlines, and that nothing is left after close."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import EngineError
from contracts.picture import Picture
from contracts.protocols import Engine
from engines.onnxruntime import OnnxRuntimeEngine
from engines.open import open_engine
from engines.openvino import OpenVinoEngine
from engines.prepare import Preparer
from tests.engines import tiny

ENGINES: dict[str, type[OpenVinoEngine] | type[OnnxRuntimeEngine]] = {
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxRuntimeEngine,
}
Opener = Callable[..., Any]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(params=list(ENGINES))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(backend: str) -> Iterator[Opener]:
    """Opens engines of the backend under test, closes them all."""
    engines: list[Engine] = []

    def make(file: Path, deadline_s: float = 20.0, **options: object) -> Any:
        engines.append(ENGINES[backend](tiny.config(file, backend, **options), deadline_s=deadline_s))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def filled(engine: Engine, value: int) -> dict[str, NDArray[Any]]:
    tensor = engine.buffer(engine.inputs[0])
    tensor[:] = value
    return {engine.inputs[0].name: tensor}


def native_threads() -> int:
    """Threads of this process, those of the runtimes included; 0 where the system does not tell."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 0


def answer(engine: Engine, value: int) -> float:
    ticket = engine.submit(filled(engine, value))
    try:
        return float(ticket.result(20)["seen"].mean())
    finally:
        ticket.close()


@pytest.mark.parametrize(
    "given",
    [
        {"fit": "stretch"},
        {"fit": "letterbox", "pad": 0},
        {"fit": "letterbox", "pad": 200, "colour": "bgr", "scale": 1},
        {"fit": "letterbox", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        {"fit": "stretch", "colour": "bgr", "scale": 127.5, "mean": [1, 1, 1], "std": [1, 2, 3]},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(16, 12), (16, 6), (8, 12)], ids=str)
def test_the_network_sees_what_the_card_says(
    opened: Opener, tmp_path: Path, given: dict[str, Any], size: tuple[int, int]
) -> None:
    """(pixel / scale - mean) / std in float64, on pictures that need no scaling."""
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), **given))
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    if given["fit"] == "stretch":
        pixels = np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)
    tensors, fit = Preparer(engine).prepare(Picture.from_bgr(pixels))
    window = fit.content
    canvas = np.full((12, 16, 3), given.get("pad", 114), np.uint8)
    canvas[window.top : window.top + window.height, window.left : window.left + window.width] = pixels
    ordered = canvas if given.get("colour") == "bgr" else canvas[..., ::-1]
    scaled = ordered.astype(np.float64) / given.get("scale", 255)
    wanted = (scaled - given.get("mean", [0, 0, 0])) / given.get("std", [1, 1, 1])
    ticket = engine.submit(tensors)
    seen = ticket.result(20)["seen"]
    np.testing.assert_allclose(seen[0], wanted.transpose(2, 0, 1), rtol=2e-6, atol=2e-6)
    ticket.close()


def test_results_belong_to_their_tickets_whoever_waits_and_closes(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), scale=1))
    tickets: list[tuple[int, Any]] = []
    made = threading.Semaphore(0)

    def submit() -> None:
        for value in range(200):
            tickets.append((value, engine.submit(filled(engine, value))))
            made.release()

    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(submit)
        for first in range(0, 200, 2):
            for _ in range(2):
                assert made.acquire(timeout=20)
            pair = tickets[first : first + 2]
            for value, ticket in reversed(pair):
                seen = ticket.result(20)["seen"]
                assert seen.min() == seen.max() == value
            for _, ticket in pair:  # closed in another order than asked
                ticket.close()
                ticket.close()
        submitting.result(20)


def test_results_are_read_only_and_stay_while_others_run(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), scale=1))
    ticket = engine.submit(filled(engine, 7))
    seen = ticket.result(20)["seen"]
    assert [answer(engine, value) for value in range(20)] == list(range(20))
    assert seen.min() == seen.max() == 7
    with pytest.raises(ValueError, match="read-only"):
        seen[:] = 0
    ticket.close()


def test_depth_tickets_fit_and_the_next_waits_until_its_deadline(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx")), deadline_s=0.2)
    assert engine.depth >= 2
    held = [engine.submit(filled(engine, 0)) for _ in range(engine.depth)]
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"no place became free in 0\.2 s"):
        engine.submit(filled(engine, 0))
    assert time.monotonic() - began >= 0.19
    held[0].close()
    engine.submit(filled(engine, 0)).close()
    for ticket in held:
        ticket.close()


def test_a_place_that_becomes_free_ends_the_wait(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), scale=1))
    held = [engine.submit(filled(engine, 0)) for _ in range(engine.depth)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answer, engine, 42)
        time.sleep(0.05)
        assert not waiting.done()
        held[0].close()
        assert waiting.result(20) == 42
    for ticket in held:
        ticket.close()


def test_a_late_result_says_so_and_may_be_asked_for_again(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.slow(tmp_path / "slow.onnx")))
    ticket = engine.submit(filled(engine, 100))
    with pytest.raises(EngineError, match="slow did not answer in 0 s"):
        ticket.result(0)
    assert np.isfinite(ticket.result(60)["seen"]).all()
    ticket.close()


@pytest.mark.parametrize("pause_s", [0, 0.02])
def test_closing_a_running_ticket_stops_it_and_frees_its_place(opened: Opener, tmp_path: Path, pause_s: float) -> None:
    engine = opened(tiny.with_card(tiny.slow(tmp_path / "slow.onnx"), scale=1))
    wanted = answer(engine, 3)
    for _ in range(engine.depth + 1):
        ticket = engine.submit(filled(engine, 200))
        time.sleep(pause_s)
        ticket.close()
        with pytest.raises(EngineError, match="closed"):
            ticket.result(1)
        assert answer(engine, 3) == pytest.approx(wanted, rel=1e-6)


def test_close_ends_everything_and_everybody_who_waits(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.slow(tmp_path / "slow.onnx")))
    held = [engine.submit(filled(engine, 0)) for _ in range(engine.depth)]
    with ThreadPoolExecutor(2) as pool:
        submitting = pool.submit(engine.submit, filled(engine, 0))
        waiting = pool.submit(held[-1].result, 60)
        time.sleep(0.02)
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            submitting.result(20)
        with pytest.raises(EngineError, match="closed"):
            waiting.result(20)
    for ticket in held:
        with pytest.raises(EngineError, match="closed"):
            ticket.result(1)
        ticket.close()
    with pytest.raises(EngineError, match="closed"):
        engine.submit(filled(engine, 0))
    engine.close()


def test_no_thread_of_ours_outlives_close(backend: str, tmp_path: Path) -> None:
    file = tiny.with_card(tiny.echo(tmp_path / "echo.onnx"))
    open_engine(tiny.config(file, backend)).close()  # the runtime's own threads are there from now on
    ours, native = set(threading.enumerate()), native_threads()
    for _ in range(5):
        engine = open_engine(tiny.config(file, backend))
        answer(engine, 1)
        engine.close()
    assert set(threading.enumerate()) == ours
    del engine
    deadline = time.monotonic() + 10  # the system needs a moment to bury threads that have ended
    while native_threads() > native and time.monotonic() < deadline:
        time.sleep(0.01)
    assert native_threads() <= native


def test_buffers_are_used_again(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), scale=1))
    seen: set[int] = set()
    for value in range(50):
        tensors = filled(engine, value)
        seen.add(tensors["images"].ctypes.data)
        ticket = engine.submit(tensors)
        del tensors
        assert ticket.result(20)["seen"].max() == value
        ticket.close()
    assert len(seen) <= engine.depth + 2


def test_a_buffer_is_not_given_out_again_while_its_inference_runs(opened: Opener, tmp_path: Path) -> None:
    """The caller lets go of the array at once; the ticket must keep it."""
    engine = opened(tiny.with_card(tiny.slow(tmp_path / "slow.onnx"), scale=1))
    wanted = {value: answer(engine, value) for value in (10, 20)}
    first, second = engine.submit(filled(engine, 10)), engine.submit(filled(engine, 20))
    for _ in range(4):
        filled(engine, 255)
    for ticket, value in ((first, 10), (second, 20)):
        assert float(ticket.result(20)["seen"].mean()) == pytest.approx(wanted[value], rel=1e-6)
        ticket.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: {"pictures": tensor}, "wants a tensor named 'images', but was given pictures"),
        (lambda tensor: {}, "given nothing"),
        (lambda tensor: {"images": tensor[:, :-1]}, "but was given"),
        (lambda tensor: {"images": tensor.astype(np.float64)}, "but was given float64"),
    ],
)
def test_what_is_not_the_input_is_refused(
    opened: Opener, tmp_path: Path, change: Callable[[NDArray[Any]], dict[str, Any]], message: str
) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx")))
    with pytest.raises(EngineError, match=message):
        engine.submit(change(engine.buffer(engine.inputs[0])))


def test_arrays_of_others_are_taken_too_also_with_holes(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), scale=1))
    spec = engine.inputs[0]
    wide = np.random.default_rng(0).integers(0, 255, (*spec.shape[:-1], spec.shape[-1] * 2)).astype(spec.dtype)
    ticket = engine.submit({spec.name: wide[..., ::2]})
    seen = ticket.result(20)["seen"]
    wanted = wide[..., ::2] if spec.layout == "NCHW" else wide[..., ::2].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(seen, wanted)
    ticket.close()


@pytest.mark.parametrize("dims", [("batch", 3, "height", "width"), ("n", 3, 12, "w"), (1, 3, 12, 16)], ids=str)
def test_open_sizes_come_from_the_card(opened: Opener, tmp_path: Path, dims: tuple[int | str, ...]) -> None:
    engine = opened(tiny.with_card(tiny.echo(tmp_path / "echo.onnx", dims), size=[16, 12], scale=1))
    assert {engine.inputs[0].shape} <= {(1, 12, 16, 3), (1, 3, 12, 16)}
    ticket = engine.submit(filled(engine, 9))
    seen = ticket.result(20)["seen"]
    assert seen.shape == (1, 3, 12, 16)
    assert seen.max() == 9
    ticket.close()


def test_facts_say_what_runs(opened: Opener, backend: str, tmp_path: Path) -> None:
    file = tiny.with_card(tiny.slow(tmp_path / "slow.onnx", layers=1))
    facts = opened(file).facts
    assert (facts.name, facts.backend, facts.device, facts.precision) == ("slow", backend, "CPU", "fp32")
    assert facts.file == str(file)
    assert len(facts.sha256) == 64
