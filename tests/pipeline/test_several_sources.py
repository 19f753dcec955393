"""Several sources in one run: each as it would be alone, networks shared, and nobody waits for a slow or dead one."""

from __future__ import annotations

import json
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
from contracts.protocols import Engine, Source
from contracts.result import Result
from engines.gate import gate_engine
from engines.open import open_engine
from pipeline import gating, session
from roadstream import EngineError, OutputError, SourceError, UsageError, stream
from tests.support.clips import write_clip
from tests.support.memory import most_alive
from tests.support.networks import box_network, mask_network
from tests.support.sources import ListedSource, fake
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

_LONG_S = 60.0  # for a busy machine


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return box_network(tmp_path / "boxes.onnx", drift=16)


def clips(folder: Path) -> list[Path]:
    """Three of other lengths and sizes; two have one name, in two folders."""
    (folder / "b").mkdir()
    return [
        write_clip(folder / "clip.mp4", 12),
        write_clip(folder / "b" / "clip.mp4", 7, size=(96, 128), rate=10),
        write_clip(folder / "short.mp4", 1),
    ]


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_each_gives_exactly_what_it_gives_alone(tmp_path: Path, network: Path) -> None:
    sources, engines = clips(tmp_path), [network, mask_network(tmp_path / "mask.onnx")]
    names = ["clip", "clip-2", "short"]
    run = stream(
        *sources,
        engines=engines,
        events=tmp_path / "e.jsonl",
        save=tmp_path / "out.mp4",
        stats=tmp_path / "s.json",
        report=tmp_path / "r.html",
        labels=tmp_path / "labels",
    )
    counts = Counter(result.frame.source.id for result in run)
    assert counts == {"clip": 12, "clip-2": 7, "short": 1}
    for name, source in zip(names, sources, strict=True):
        alone = tmp_path / f"alone-{name}.jsonl"
        list(stream(source, engines=engines, events=alone))
        assert events(tmp_path / f"e-{name}.jsonl") == [{**line, "source": name} for line in events(alone)]
        assert (tmp_path / f"out-{name}.mp4").exists()
        assert (tmp_path / f"r-{name}.html").exists()
        assert len(list((tmp_path / "labels" / name / "images").iterdir())) == counts[name]
    data = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert data == run.statistics()
    assert [source["id"] for source in data["sources"]] == names
    assert [source["frames"]["written"] for source in data["sources"]] == [12, 7, 1]
    assert data["frames"] == {"read": 20, "inferred": 20, "written": 20, "dropped": 0, "lost": 0, "reconnects": 0}
    assert [engine["inferred"] for engine in data["engines"]] == [20, 20]
    assert data["outputs"]["encode"] == {"written": 20, "dropped": 0}
    assert data["throughput_fps"] == pytest.approx(20 / data["seconds"], rel=0.01, abs=0.01)
    assert run.failures == {}


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
        assert len(events(tmp_path / f"e-{name}.jsonl")) == 40
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


def test_leaving_the_loop_ends_all_and_finishes_their_files(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 200) for name in "abc"]
    for result in stream(*sources, engines=[network], save=tmp_path / "out.mp4", max_frames=150):
        if result.frame.index == 5:
            break
    assert {file.name for file in tmp_path.glob("out*")} == {"out-a.mp4", "out-b.mp4", "out-c.mp4"}


def test_one_that_hangs_in_opening_is_left_behind(
    network: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_limits_are_those_of_each(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / "a.mp4", 20), write_clip(tmp_path / "b.mp4", 3)]
    counts = Counter(result.frame.source.id for result in stream(*sources, engines=[network], max_frames=5))
    assert counts == {"a": 5, "b": 3}


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


def test_tracks_and_regions_are_counted_for_each(tmp_path: Path, network: Path) -> None:
    pytest.importorskip("trackers")
    sources = [write_clip(tmp_path / f"{name}.mp4", 8) for name in "ab"]
    whole = {"all": ["0%,0% 100%,0% 100%,100% 0%,100%"]}
    run = stream(*sources, engines=[network], track="bytetrack", regions=whole)
    tracks = {
        (result.frame.source.id, number)
        for result in run
        for found in result.prediction.detections().values()
        for number in ([] if found.track_ids is None else found.track_ids.tolist())
    }
    assert {name for name, _ in tracks} == {"a", "b"}
    assert {number for name, number in tracks if name == "a"} == {number for name, number in tracks if name == "b"}
    for source in run.statistics()["sources"]:
        assert source["regions"]["all"]["car"]["frames"] == 8


def test_each_has_its_segments_and_its_share_of_the_disk(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 60) for name in "ab"]
    options: dict[str, Any] = {"engines": [network], "save": tmp_path / "out.mp4", "segment": "1s"}
    run = stream(*sources, **options, keep="100MB")
    assert len(list(run)) == 120
    assert len(list(tmp_path.glob("out-a-00000*.mp4"))) == len(list(tmp_path.glob("out-b-00000*.mp4"))) == 3
    found = run.statistics()
    assert found["outputs"]["encode"]["segments"] == 6
    assert [source["outputs"]["encode"]["segments"] for source in found["sources"]] == [3, 3]
    with pytest.raises(UsageError, match="of each source keep holds not even two segments"):
        stream(*sources, **{**options, "segment": "20MB"}, keep="50MB")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save": "a.mp4"}, None),
        ({"save": "x.mp4", "existing": "x-a.mp4"}, "the output .*x-a.mp4 exists"),
        ({"events": "a.jsonl", "report": "a.jsonl"}, "does not end in"),
        ({"save": "in.mp4", "existing": "in-a.mp4", "also": "in-a.mp4"}, "is the input"),
        ({"pictures": "p", "labels": "p"}, "two outputs would write into"),
        ({"stats": "s.json", "existing": "s.json"}, "exists"),
        ({"grid": True}, "nothing would show it"),
        ({"truth": True}, "no truth to draw"),
    ],
)
def test_names_that_collide_are_refused_before_anything_starts(
    options: dict[str, Any], message: str | None, tmp_path: Path, network: Path
) -> None:
    sources = [write_clip(tmp_path / "a.mp4", 2), write_clip(tmp_path / "b.mp4", 2)]
    existing, also = options.pop("existing", None), options.pop("also", None)
    if existing is not None:
        (tmp_path / existing).write_bytes(b"mine")
    if also is not None:
        sources.append(tmp_path / also)
    given: dict[str, Any] = {
        key: tmp_path / value if isinstance(value, str) else value for key, value in options.items()
    }
    if message is None:
        list(stream(*sources, engines=[network], **given))
        return
    with pytest.raises(UsageError, match=message):
        stream(*sources, engines=[network], **given)
    if existing is not None:
        assert (tmp_path / existing).read_bytes() == b"mine"


def test_standard_input_is_read_once() -> None:
    with pytest.raises(UsageError, match="stands twice"):
        stream("-", "-")
