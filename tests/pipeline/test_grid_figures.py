"""What is said of a grid: how late and how old its pictures were, and where every picture it was given went."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.progress import summary_text
from contracts.control import Control
from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.live import LiveState
from contracts.prediction import Prediction
from contracts.result import Result, Timings
from outputs import mp4
from pipeline import grid_cells
from pipeline.grid import Grid
from pipeline.grid_cells import Cell
from pipeline.source_state import SourceState
from roadstream import Stream, stream
from tests.support.networks import box_network
from tests.support.recording import level_of, picture
from tests.support.sources import ListedSource, fake

_SLOW_S = 1.0


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"engines": [box_network(tmp_path / "boxes.onnx")], "save": tmp_path / "out.mp4", "grid": True, "layers": []}


@pytest.fixture
def given_pictures(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many pictures every cell is given, counted beside it."""
    counts: Counter[str] = Counter()
    write = Cell.write

    def counted(cell: Cell, result: Result) -> None:
        counts[cell.source] += 1
        write(cell, result)

    monkeypatch.setattr(Cell, "write", counted)
    return counts


def cells_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the statistics say of every source's pictures in the grid."""
    return {source["id"]: source["outputs"]["grid"] for source in data["sources"]}


def adds_up(data: dict[str, Any], given_pictures: Counter[str]) -> bool:
    """Whether every picture that the grid was given was shown or replaced, of each source and of all."""
    cells, whole = cells_of(data), data["outputs"]["grid"]
    assert {name: cell["shown"] + cell["replaced"] for name, cell in cells.items()} == given_pictures
    assert whole["shown"] == whole["written"] == sum(cell["shown"] for cell in cells.values())
    assert whole["replaced"] == sum(cell["replaced"] for cell in cells.values())
    return bool(whole["written"] + whole["dropped"] == data["frames"]["inferred"])


def run_through(run: Stream) -> None:
    for _ in run:
        pass


def test_a_slow_grid_shows_there_and_only_there(
    options: dict[str, Any], given_pictures: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its video takes a second for each picture; the cameras go on meanwhile."""
    write = mp4.Mp4Output.write

    def slow(output: mp4.Mp4Output, result: Result) -> None:
        time.sleep(_SLOW_S)
        write(output, result)

    monkeypatch.setattr(mp4.Mp4Output, "write", slow)
    fake(
        monkeypatch,
        one=lambda: ListedSource("one", 60, live=True, pause_s=0.05, rate=20),
        two=lambda: ListedSource("two", 30, live=True, pause_s=0.1, rate=10),
    )
    run = stream("live:one", "live:two", **options)
    run_through(run)
    data = run.statistics()
    assert adds_up(data, given_pictures)
    whole, cells = data["outputs"]["grid"], cells_of(data)
    assert whole["pictures"] == data["outputs"]["encode"]["written"]
    for found in (whole, *cells.values()):
        assert min(found["latency_ms"]["p50"], found["age_ms"]["p50"]) >= 0.98 * _SLOW_S * 1e3
        assert found["replaced"] > found["shown"], "a second of pictures for each that was shown"
    assert max(data["latency_ms"]["p50"], data["age_ms"]["p50"]) < _SLOW_S * 1e3
    assert all(source["frames"]["written"] == cells[source["id"]]["shown"] for source in data["sources"])
    said = summary_text(data).splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("grid  "))
    assert f"{whole['pictures']} pictures · latency p50 {whole['latency_ms']['p50']:.0f} ms" in said[at]
    assert f" · age p50 {whole['age_ms']['p50']:.0f} ms" in said[at]
    for line, name in zip(said[at + 1 :], cells, strict=False):
        assert line.startswith(f"  {name} ")
        assert f"{cells[name]['shown']} shown, {cells[name]['replaced']} replaced · latency" in line


class Dense(ListedSource):
    """Two pictures where its rate says one."""

    def frames(self) -> Iterator[Frame]:
        for frame in super().frames():
            yield Frame(frame.picture, frame.index, frame.pts / 2, frame.arrival, frame.source)


def test_recorded_sources_are_shown_whole_but_for_what_falls_between_two_pictures(
    options: dict[str, Any], given_pictures: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(
        monkeypatch,
        whole=lambda: ListedSource("whole", 12, rate=10),
        half=lambda: ListedSource("half", 5, rate=5),
        dense=lambda: Dense("dense", 20, rate=10),
    )
    run = stream("fake:whole", "fake:half", "fake:dense", **options)
    run_through(run)
    data = run.statistics()
    assert adds_up(data, given_pictures)
    shown = {name: (cell["shown"], cell["replaced"]) for name, cell in cells_of(data).items()}
    assert shown == {"whole": (12, 0), "half": (5, 0), "dense": (11, 9)}  # at 0, 0.1 … 0.9 and the last one
    assert data["outputs"]["grid"]["age_ms"] == {"p50": None, "p95": None, "p99": None}
    assert "  whole     12 shown · latency p50" in summary_text(data)
    assert "  dense     11 shown, 9 replaced · latency p50" in summary_text(data)


def two_that_go_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two sources for longer than anybody looks. kind: ``fake``, recorded, or ``live``."""
    live = kind == "live"

    def opened(name: str) -> ListedSource:
        return ListedSource(name, 10_000, live=live, pause_s=0.005 if live else 0)

    fake(monkeypatch, a=lambda: opened("a"), b=lambda: opened("b"))
    return [f"{kind}:a", f"{kind}:b"]


def broken(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """A grid whose video fails at one picture."""
    write = mp4.Mp4Output.write

    def full(output: mp4.Mp4Output, result: Result) -> None:
        if result.frame.index == at:
            raise OutputError("disk full", "make room")
        write(output, result)

    monkeypatch.setattr(mp4.Mp4Output, "write", full)


@pytest.mark.parametrize("kind", ["fake", "live"])
def test_pictures_add_up_where_the_grid_fails(
    kind: str, options: dict[str, Any], given_pictures: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those on their way, those that wait, and those that come afterwards."""
    broken(monkeypatch, at=5)
    run = stream(*two_that_go_on(kind, monkeypatch), **options)
    with pytest.raises(OutputError, match="disk full"):
        run_through(run)
    data = run.statistics()
    adds_up(data, given_pictures)
    assert data["outputs"]["grid"]["pictures"] == 5
    assert all(1 <= cell["shown"] <= 5 and cell["replaced"] >= 1 for cell in cells_of(data).values())


@pytest.mark.parametrize("kind", ["fake", "live"])
def test_pictures_add_up_where_the_loop_is_left(
    kind: str, options: dict[str, Any], given_pictures: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stream(*two_that_go_on(kind, monkeypatch), **options)
    for result in run:
        if result.frame.index >= 30:
            break
    data = run.statistics()
    adds_up(data, given_pictures)
    if kind == "fake":
        assert all(cell["replaced"] == 0 for cell in cells_of(data).values()), "what was seen of each is in the video"


def made(info: SourceInfo, index: int, timings: Timings) -> Result:
    shown = picture((info.width, info.height), level_of(index))
    frame = Frame(shown, index, Fraction(index, 10), timings.arrival, info)
    return Result(frame, Prediction(), timings, lambda _: shown)


class Taking:
    """An output that takes pictures and looks at none."""

    name, wants_drawn = "taking", True

    def __init__(self) -> None:
        self.count = 0

    def open(self, sources: Sequence[SourceInfo]) -> None:
        pass

    def write(self, result: Result) -> None:
        self.count += 1

    def close(self, error: BaseException | None) -> None:
        assert error is None


def test_latency_and_age_are_those_of_the_frame_when_the_picture_is_out() -> None:
    """Known to the second: frames that arrived ten seconds ago and had been underway for five more."""
    live = [SourceInfo(name, name, 32, 24, Fraction(10), Fraction(1, 10), live=True) for name in ("old", "older")]
    output, over = Taking(), threading.Event()
    states = [SourceState(info.id, LiveState.LIVE, "", info) for info in live]
    grid = Grid(
        [info.id for info in live],
        [output],
        Control(),
        size=None,
        arrival=True,
        states=lambda: states,
        failed=lambda error: over.set(),
    )
    grid.start()
    started = time.monotonic_ns()
    for cell, info, seconds in zip(grid.cells, live, (10, 20), strict=True):
        cell.open([info])
        cell.write(made(info, 0, Timings(time.monotonic_ns() - seconds * 10**9, age_ms=5_000.0)))
    for cell in grid.cells:
        cell.close(None)
    grid.close()
    took_ms = (time.monotonic_ns() - started) / 1e6
    assert not over.is_set()
    for cell, seconds in zip(grid.cells, (10, 20), strict=True):
        found = cell.counts()
        assert (found["shown"], found["replaced"]) == (1, 0)
        assert 0.98 * seconds * 1e3 <= found["latency_ms"]["p50"] <= 1.02 * (seconds * 1e3 + took_ms)
        assert 0.98 * (seconds + 5) * 1e3 <= found["age_ms"]["p95"] <= 1.02 * ((seconds + 5) * 1e3 + took_ms)
    whole = grid.counts()
    assert (whole["shown"], whole["pictures"]) == (2, output.count)
    assert whole["latency_ms"]["p50"] < 15_000 < whole["latency_ms"]["p95"]


INFO = SourceInfo("a", "a", 32, 24, Fraction(10), Fraction(1, 10))
DOINGS: dict[str, Callable[[Cell, int], object]] = {
    "write": lambda cell, index: cell.write(made(INFO, index, Timings(0))),
    "advance": lambda cell, index: cell.advance(Fraction(index, 10)),
    "painted": lambda cell, _: cell.painted(),
    "written": lambda cell, _: cell.written(time.monotonic_ns()),
    "take_latest_only": lambda cell, _: cell.take_latest_only(),
    "end": lambda cell, _: cell.end(),
}


@given(words=st.lists(st.sampled_from(list(DOINGS)), max_size=60), latest_only=st.booleans())
def test_whatever_happens_to_a_cell_no_picture_is_forgotten_or_counted_twice(
    words: Sequence[str], latest_only: bool
) -> None:
    changed = threading.Condition()
    cell = Cell("a", changed, latest_only=latest_only)
    cell.open([INFO])
    count = 0
    for index, word in enumerate(words):
        waits = word == "write" and len(cell._pictures) == grid_cells._WAITING and not cell.over
        if waits or (word == "painted" and cell._painted is not None):
            continue  # the source waits, and the grid paints when the picture before is out
        count += word == "write"
        with changed:
            DOINGS[word](cell, index)
        assert cell.figures.shown + cell.figures.replaced <= count
    before = cell.figures.shown
    cell.abandon()
    assert cell.figures.shown == before == cell.figures.latency.count
    assert cell.figures.shown + cell.figures.replaced == count
    DOINGS["write"](cell, len(words))
    assert cell.figures.shown + cell.figures.replaced == count + 1
