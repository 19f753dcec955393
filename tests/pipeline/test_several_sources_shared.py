"""What several sources share: networks, opened and gated once, the caller's turns, an output of the caller's own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.protocols import Engine
from contracts.result import Result
from engines.gate import gate_engine
from engines.open import open_engine
from pipeline import gating, session
from roadstream import stream
from tests.support.clips import write_clip
from tests.support.memory import most_alive
from tests.support.networks import box_network
from tests.support.sources import ListedSource, fake
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

_LONG_S = 60.0  # for a busy machine


def test_networks_are_opened_and_checked_once(tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[EngineConfig] = []
    closed: list[str] = []
    gated: list[int] = []

    def counted(config: EngineConfig, **options: Any) -> Engine:
        opened.append(config)
        engine = open_engine(config, **options)
        close = engine.close

        def closing() -> None:
            closed.append(engine.name)
            close()

        monkeypatch.setattr(engine, "close", closing)
        return engine

    def looked(*words: Any) -> Any:
        gated.append(1)
        return gate_engine(*words)

    monkeypatch.setattr(session, "open_engine", counted)
    monkeypatch.setattr(gating, "gate_engine", looked)
    sources = [write_clip(tmp_path / f"{name}.mp4", 5) for name in "abcd"]
    assert len(list(stream(*sources, engines=[network]))) == 20
    assert len(opened) == 1
    assert closed == ["boxes"]
    assert len(gated) == 1


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [(40, 5, [16]), (2, 40, [2, 16])],
    ids=["who has its frames shows them", "one too short for a verdict leaves it to the next"],
)
def test_who_shows_its_frames_to_the_gate(
    first: int, second: int, shown: list[int], *, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second source gives its second frame only when the first is through: it must not hold up the verdict."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    box_network(tmp_path / "reference.onnx", drift=16)
    with network.with_suffix(".card.yaml").open("a", encoding="utf-8") as card:
        card.write("reference: reference.onnx\n")
    through = threading.Event()

    class Later(ListedSource):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                if frame.index == 1:
                    assert through.wait(_LONG_S)
                yield frame

    looked_at: list[int] = []

    def looked(config: EngineConfig, card: Card, pictures: Sequence[Picture]) -> Any:
        looked_at.append(len(pictures))
        return gate_engine(config, card, pictures)

    monkeypatch.setattr(gating, "gate_engine", looked)
    fake(monkeypatch, first=lambda: ListedSource("first", first), second=lambda: Later("second", second))
    counts: Counter[str] = Counter()
    for result in stream("fake:second", "fake:first", engines=[network]):
        counts[result.frame.source.id] += 1
        if counts["first"] == first:
            through.set()
    assert counts == {"first": first, "second": second}
    assert looked_at == shown


def test_a_caller_who_is_slow_gets_of_each_in_turn(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 30) for name in "ab"]
    order: list[str] = []
    for result in stream(*sources, engines=[network]):
        time.sleep(0.01)
        order.append(result.frame.source.id)
    assert Counter(order) == {"a": 30, "b": 30}
    middle = order[10:50]
    assert max(middle.count("a"), middle.count("b")) <= 26


def test_live_ones_drop_their_own_and_recorded_ones_none(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who is busy for as long as the live source gives: its results are dropped, the recorded one's wait."""
    live = ListedSource("camera", 200, live=True, pause_s=0.002)
    fake(monkeypatch, camera=lambda: live, film=lambda: ListedSource("film", 25))
    run = stream("live:camera", "fake:film", engines=[network])
    seen: dict[str, list[int]] = {"camera": [], "film": []}
    for result in run:
        seen[result.frame.source.id].append(result.frame.index)
        if len(seen["film"]) == 5:
            until(lambda: live.given == 200, "the camera has given all")
    assert seen["film"] == list(range(25))
    assert seen["camera"] == sorted(seen["camera"])
    camera, film = (source["frames"] for source in run.statistics()["sources"])
    assert film == {"read": 25, "inferred": 25, "written": 0, "dropped": 0, "lost": 0, "reconnects": 0}
    assert camera["read"] == 200 == camera["inferred"] + camera["dropped"]
    assert len(seen["camera"]) + run.statistics()["caller"]["dropped"] == camera["inferred"]
    assert run.statistics()["caller"]["dropped"] > 0


def test_an_output_of_ones_own_is_opened_for_each_and_closed_once(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own:
        name, wants_drawn = "own", False

        def __init__(self) -> None:
            self.opened: list[str] = []
            self.seen: Counter[str] = Counter()
            self.closes = 0
            self.busy = threading.Lock()

        def open(self, sources: Sequence[SourceInfo]) -> None:
            self.opened += [source.id for source in sources]

        def write(self, result: Result) -> None:
            assert self.busy.acquire(blocking=False)
            time.sleep(0.001)
            self.seen[result.frame.source.id] += 1
            self.busy.release()

        def close(self, error: BaseException | None) -> None:
            assert error is None
            self.closes += 1

    own = Own()
    fake(monkeypatch, a=lambda: ListedSource("a", 30), b=lambda: ListedSource("b", 5))
    list(stream("fake:a", "fake:b", engines=[network], outputs=[own]))
    assert sorted(own.opened) == ["a", "b"]
    assert own.seen == {"a": 30, "b": 5}
    assert own.closes == 1


def test_only_a_few_frames_of_each_are_in_memory(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 60) for name in "ab"]
    assert most_alive(stream(*sources, engines=[network])) <= 4
