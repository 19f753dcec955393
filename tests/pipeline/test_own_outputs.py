"""What outputs of the caller's own count themselves, in runs of one source and of several."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from commands.progress import summary_text
from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.protocols import Ending
from contracts.result import Result
from roadstream import stream
from tests.support.networks import box_network
from tests.support.sources import ListedSource, fake


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return box_network(tmp_path / "boxes.onnx")


class Sparing:
    """Writes every third result that it is given, and counts what it is given of whom."""

    name, wants_drawn = "sparing", False

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()
        self.dropped = 0

    def open(self, sources: Sequence[SourceInfo]) -> None:
        pass

    def write(self, result: Result) -> None:
        self.dropped += sum(self.given.values()) % 3 != 0
        self.given[result.frame.source.id] += 1

    def close(self, error: BaseException | None) -> None:
        pass

    def counts(self) -> dict[str, Any]:
        return {"given": sum(self.given.values()), "of": sorted(self.given)}


class Telling(Sparing):
    """The same, and hears how the run went."""

    def finished(self, frame: Frame, latency_ns: int, age_ns: int | None, dropped: int, lost: int) -> None:
        pass

    def conclude(self, ending: Ending) -> None:
        self.heard = ending.statistics["outputs"][self.name]


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("kind", [Sparing, Telling])
def test_what_an_output_of_ones_own_counts_stands_once_in_the_figures_of_the_run(
    kind: type[Sparing], *, grid: bool, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, twin = kind(), kind()
    fake(monkeypatch, a=lambda: ListedSource("a", 30), b=lambda: ListedSource("b", 15))
    options: dict[str, Any] = {"grid": True, "save": tmp_path / "o.mp4"} if grid else {}
    run = stream("fake:a", "fake:b", engines=[network], outputs=[own, twin], **options)
    list(run)
    data = run.statistics()
    expected = {"written": 15, "dropped": 30, "given": 45, "of": ["a", "b"]}
    assert data["outputs"]["sparing"] == data["outputs"]["sparing-2"] == expected
    assert all("sparing" not in source.get("outputs", {}) for source in data["sources"])
    assert [source["frames"]["written"] for source in data["sources"]] == [30, 15], "handed to it"
    if isinstance(own, Telling):
        assert own.heard == expected


@pytest.mark.parametrize("name", ["grid", "compose", "encode"])
def test_an_output_of_ones_own_that_is_called_as_a_stage_of_the_grid_is_told_from_it(
    name: str, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Sparing()
    monkeypatch.setattr(own, "name", name, raising=False)
    fake(monkeypatch, a=lambda: ListedSource("a", 9), b=lambda: ListedSource("b", 9))
    run = stream("fake:a", "fake:b", engines=[network], outputs=[own], grid=True, save=tmp_path / "o.mp4")
    list(run)
    data = run.statistics()
    assert data["outputs"][f"{name}-2"] == {"written": 6, "dropped": 12, "given": 18, "of": ["a", "b"]}
    assert data["outputs"]["grid"]["shown"] == 18
    assert data["outputs"]["encode"] == {"written": 9, "dropped": 0}
    assert {"grid", "compose", "encode", f"{name}-2"} <= data["stages"].keys()


def test_what_an_output_of_ones_own_counts_of_one_source(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of several."""
    fake(monkeypatch, a=lambda: ListedSource("a", 30))
    run = stream("fake:a", engines=[network], outputs=[Sparing()])
    list(run)
    assert run.statistics()["outputs"] == {"sparing": {"written": 10, "dropped": 20, "given": 30, "of": ["a"]}}


def test_what_a_live_run_drops_before_an_output_of_ones_own_is_counted_beside_what_that_leaves_out(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Sparing):
        def write(self, result: Result) -> None:
            time.sleep(0.02)
            super().write(result)

    own = Slow()
    names = ("a", "b")
    fake(
        monkeypatch,
        a=lambda: ListedSource("a", 60, live=True, pause_s=0.005),
        b=lambda: ListedSource("b", 60, live=True, pause_s=0.005),
    )
    run = stream(*(f"live:{name}" for name in names), engines=[network], outputs=[own])
    list(run)
    data = run.statistics()
    found, given = data["outputs"]["sparing"], sum(own.given.values())
    assert found["written"] == given - own.dropped
    assert found["dropped"] == own.dropped + data["frames"]["inferred"] - given
    assert [source["frames"]["written"] for source in data["sources"]] == [own.given[name] for name in names]


def test_a_result_that_an_output_fails_with_is_not_taken_from_what_it_wrote(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Sparing):
        def write(self, result: Result) -> None:
            self.dropped += 1
            raise OutputError("nobody takes it", "start the server")

    fake(monkeypatch, a=lambda: ListedSource("a", 5))
    run = stream("fake:a", engines=[network], outputs=[Refusing()])
    with pytest.raises(OutputError):
        list(run)
    assert run.statistics()["outputs"]["sparing"]["written"] == run.statistics()["frames"]["written"] == 0


def test_the_summary_names_outputs_that_wrote_less_than_others(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole(Sparing):
        name = "whole"

        def write(self, result: Result) -> None:
            self.given[result.frame.source.id] += 1

    fake(monkeypatch, a=lambda: ListedSource("a", 30))
    run = stream("fake:a", engines=[network], outputs=[Whole(), Sparing()])
    list(run)
    said = "frames      30 read, 30 through the networks, 30 written (whole), 10 written (sparing)"
    assert said in summary_text(run.statistics()).splitlines()
