"""Several sources of which some are dead, fail or hang: each ends alone, and the others lose nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from contracts.frame import SourceInfo
from contracts.protocols import Source
from contracts.result import Result
from pipeline import channels
from roadstream import EngineError, OutputError, SourceError, stream
from tests.support.events import events_of
from tests.support.sources import ListedSource, fake
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

_LONG_S = 60.0  # for a busy machine


def test_two_dead_ones_cost_the_living_two_nothing(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is not there, and one whose opening hangs for as long as the others run."""
    living = {name: ListedSource(name, 40, live=True, pause_s=0.02) for name in ("one", "two")}
    hang = threading.Event()

    def hanging() -> Source:
        assert hang.wait(_LONG_S)
        raise SourceError("no answer", "look at the cable")

    def dead() -> Source:
        raise SourceError("nobody is there", "switch it on")

    fake(monkeypatch, one=lambda: living["one"], two=lambda: living["two"], dead=dead, hanging=hanging)
    run = stream("live:hanging", "live:one", "fake:dead", "live:two", engines=[network], events=tmp_path / "e.jsonl")
    seen: list[tuple[str, int]] = []
    for result in run:
        seen.append((result.frame.source.id, result.frame.index))
        if len(seen) == 60:
            states = {state.name: str(state.state) for state in run.sources}
        if len(seen) == 80:
            hang.set()
    for name in living:
        assert [index for source, index in seen if source == name] == list(range(40))
        assert len(events_of(tmp_path / f"e-{name}.jsonl")) == 40
    assert states == {"hanging": "connecting", "one": "live", "dead": "lost", "two": "live"}
    assert run.statistics()["frames"]["dropped"] == 0
    assert {name: str(error) for name, error in run.failures.items()} == {
        "dead": "nobody is there → switch it on",
        "hanging": "no answer → look at the cable",
    }
    assert "dead is lost: nobody is there → switch it on" in caplog.text
    facts = {source["id"]: source for source in run.statistics()["sources"]}
    assert facts["dead"]["error"] == "nobody is there"
    assert facts["dead"]["frames"]["read"] == 0
    assert "error" not in facts["one"]


def test_one_that_fails_midway_ends_alone_with_all_it_gave(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, broken=lambda: ListedSource("broken", fail_at=9), whole=lambda: ListedSource("whole", 30))
    run = stream("fake:broken", "fake:whole", engines=[network], save=tmp_path / "o.mp4", report=tmp_path / "r.html")
    counts = Counter(result.frame.source.id for result in run)
    assert counts == {"broken": 9, "whole": 30}
    assert [source["frames"]["written"] for source in run.statistics()["sources"]] == [9, 30]
    assert list(run.failures) == ["broken"]
    assert "the cable was pulled" in (tmp_path / "r-broken.html").read_text(encoding="utf-8")
    assert "the cable was pulled" in (tmp_path / "r-whole.html").read_text(encoding="utf-8")  # as a warning of the run
    assert list(tmp_path.glob("*.part*")) == []


def test_where_all_fail_the_run_fails(tmp_path: Path, network: Path) -> None:
    with pytest.raises(SourceError, match=r"no such file: .*a\.mp4"):
        list(stream(tmp_path / "a.mp4", tmp_path / "b.mp4", engines=[network]))


def test_an_error_of_another_kind_ends_all_in_order(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        name, wants_drawn = "full", False

        def __init__(self) -> None:
            self.closes: list[BaseException | None] = []

        def open(self, sources: Sequence[SourceInfo]) -> None:
            pass

        def write(self, result: Result) -> None:
            if result.frame.source.id == "a" and result.frame.index == 5:
                raise OutputError("disk full", "make room")

        def close(self, error: BaseException | None) -> None:
            self.closes.append(error)

    full = Full()
    fake(monkeypatch, a=lambda: ListedSource("a", 1000), b=lambda: ListedSource("b", 100_000, pause_s=0.001))
    with pytest.raises(OutputError, match="disk full") as caught:
        list(stream("fake:a", "fake:b", engines=[network], save=tmp_path / "o.mp4", outputs=[full]))
    assert full.closes == [caught.value]
    assert (tmp_path / "o-a.mp4").exists()
    assert (tmp_path / "o-b.mp4").exists()


def test_a_network_that_does_not_run_is_told_before_any_source_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def noted(name: str) -> Source:
        opened.append(name)
        return ListedSource(name)

    fake(monkeypatch, a=lambda: noted("a"), b=lambda: noted("b"))
    with pytest.raises(EngineError):
        list(stream("fake:a", "fake:b", engines=[tmp_path / "no.onnx"]))
    assert opened == []


def test_one_that_hangs_in_opening_is_left_behind(
    network: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channels, "_OPENING_S", 0.3)
    hang, late = threading.Event(), ListedSource("late")
    waited: list[bool] = []

    def hanging() -> Source:
        waited.append(hang.wait(_LONG_S))
        return late

    fake(monkeypatch, good=lambda: ListedSource("good", 1000), late=hanging)
    for result in stream("fake:good", "fake:late", engines=[network]):
        if result.frame.index == 5:
            break
    assert "still opening, left behind: late" in caplog.text
    hang.set()
    assert late.closed.wait(_LONG_S)
    until(lambda: not any("roadstream-source" in thread.name for thread in threading.enumerate()), "its thread ends")
    assert late.given == 0
