"""``every``: a network looks at every N-th frame; between them its last result is carried on and marked as such."""

from __future__ import annotations

import csv
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.card import Card
from contracts.config import EngineConfig, RunConfig
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Detections, Mask, Part, Prediction
from contracts.protocols import Engine, Tensors, Ticket
from contracts.result import Result
from engines.gate import RUN_FRAMES, gate_engine
from engines.open import open_engine
from engines.verdicts import Verdict
from pipeline import gating, limit
from pipeline import session as sessions
from pipeline.session import open_sessions
from pipeline.tracking import Tracking
from roadstream import stream
from run_stream import main
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.fakes import CountingSource, EchoEngine, FirstPixelHead, ListOutput, make_run, session
from tests.support.networks import box_network, mask_network

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

DRIVE = "synthetic:city?seed=3&size=192x144&seconds=1"
FRAMES = 23


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A mask and boxes that are other ones in every frame of the drive."""
    folder = tmp_path_factory.mktemp("networks")
    return mask_network(folder / "area.onnx"), box_network(folder / "moving.onnx", drift=20)


@pytest.fixture(scope="module")
def plain(networks: tuple[Path, Path]) -> list[Prediction]:
    """What both see in every frame of the drive."""
    found = [result.prediction for result in stream(DRIVE, engines=networks, max_frames=FRAMES)]
    for one, other in pairwise(found):
        assert bits(one["boxes"]) != bits(other["boxes"])
        assert bits(one["drivable"]) != bits(other["drivable"])
    return found


def bits(part: Part) -> list[object]:
    """Everything a part holds, comparable bit for bit."""
    values = [getattr(part, each.name) for each in fields(part)]
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in values]


def asked(file: Path, every: int) -> str:
    return f"{file}?every={every}"


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each real engine of a run was given a frame, by its name."""
    counts: Counter[str] = Counter()

    def counted(config: EngineConfig, **options: Any) -> Engine:
        engine = open_engine(config, **options)
        submit = engine.submit

        def count(tensors: Tensors) -> Ticket:
            counts[engine.name] += 1
            return submit(tensors)

        engine.submit = count  # type: ignore[method-assign]
        return engine

    monkeypatch.setattr(sessions, "open_engine", counted)
    return counts


# -- the same as a run without it, on the frames it looks at -----------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("other", [1, 2])
def test_a_network_sees_every_nth_frame_as_ever_and_carries_that_on(
    networks: tuple[Path, Path], plain: list[Prediction], submitted: Counter[str], every: int, other: int
) -> None:
    area, moving = networks
    run = stream(DRIVE, engines=[asked(area, other), asked(moving, every)], max_frames=FRAMES)
    seen = [result.prediction for result in run]
    assert len(seen) == FRAMES
    for index, prediction in enumerate(seen):
        assert list(prediction) == ["drivable", "boxes"]
        for head, step in (("drivable", other), ("boxes", every)):
            fresh = index - index % step
            assert bits(prediction[head]) == bits(plain[fresh][head])
            assert prediction[head] is seen[fresh][head]
            assert prediction.carried.get(head, 0) == index - fresh
        assert 0 not in prediction.carried.values()
    wanted = [-(-FRAMES // other), -(-FRAMES // every)]
    assert [submitted["area"], submitted["moving"]] == wanted
    figures = run.statistics()
    assert [engine["inferred"] for engine in figures["engines"]] == wanted
    assert figures["frames"]["inferred"] == FRAMES


@given(
    looks=st.lists(st.tuples(st.integers(1, 5), st.sets(st.sampled_from("abc"))), max_size=12), more=st.integers(0, 9)
)
def test_ages_are_those_of_who_remembers_every_look(looks: list[tuple[int, set[str]]], more: int) -> None:
    def part(index: int) -> Part:
        return Detections.empty((str(index),))

    index, last, first = more, dict.fromkeys("abc", more), {head: part(more) for head in "abc"}
    prediction = Prediction().followed_by(first, more)
    for step, heads in looks:
        index += step
        prediction = prediction.followed_by({head: part(index) for head in sorted(heads, reverse=True)}, step)
        last |= dict.fromkeys(heads, index)
        assert prediction.carried == {head: index - last[head] for head in "abc" if last[head] < index}
        assert list(prediction) == ["a", "b", "c"]
        assert [found.names for found in prediction.detections().values()] == [(str(last[head]),) for head in "abc"]


# -- drops, ends, faults -----------------------------------------------------------------------------------------------


class SlowEngine(EchoEngine):
    """Takes longer for a frame than a camera does."""

    def submit(self, tensors: Tensors) -> Any:
        threading.Event().wait(0.008)
        return super().submit(tensors)


@pytest.mark.parametrize("every", [2, 3])
def test_a_live_source_counts_the_frames_that_reach_the_networks_and_ages_by_all(every: int) -> None:
    often, seldom = SlowEngine(), EchoEngine()
    source = CountingSource(150, live=True, pause_s=0.001)
    output = ListOutput()
    predictions: dict[int, Prediction] = {}
    keep, write = predictions.__setitem__, output.write

    def kept(result: Result) -> None:
        keep(result.frame.index, result.prediction)
        write(result)

    output.write = kept  # type: ignore[method-assign]
    run = make_run(source, [output], engine=often, more=[session(seldom, FirstPixelHead(), name="b", every=every)])
    for _ in run.results():
        pass
    run.close()
    assert run.figures.dropped > 0
    assert run.figures.output_drops() == {"list": 0}
    indices = list(predictions)
    for position, index in enumerate(indices):
        fresh = indices[position - position % every]
        part = predictions[index]["b"]
        assert isinstance(part, Mask)
        assert part.data[0, 0] == fresh  # its first pixel is the index of the frame that was looked at
        assert predictions[index].carried == ({} if fresh == index else {"b": index - fresh})
    assert run.figures.looked == [len(indices), -(-len(indices) // every)]
    assert often.tickets_open == seldom.tickets_open == 0


@pytest.mark.parametrize("every", [(3, 1), (1, 3), (2, 3), (7, 7), (1000, 1000)])
@pytest.mark.parametrize("taken", [0, 1, 2, 5])
def test_leaving_early_finishes_what_is_on_its_way_and_gives_every_place_back(
    every: tuple[int, int], taken: int
) -> None:
    first, second = EchoEngine(), EchoEngine()
    output = ListOutput(pause_s=0.001)
    more = [session(second, FirstPixelHead(), name="b", every=every[1])]
    run = make_run(CountingSource(10_000), [output], engine=first, every=every[0], more=more)
    results = run.results()
    for _ in range(taken):
        next(results)
    run.close()
    assert first.closed
    assert second.closed
    assert first.tickets_open == second.tickets_open == 0
    assert output.closes == [None]
    assert output.indices == list(range(len(output.indices)))
    assert output.seen == [(index - index % every[0]) % 256 for index in output.indices]
    assert run.figures.looked == [-(-run.figures.inferred // step) for step in every]


@pytest.mark.parametrize("every", [2, 3])
def test_stop_in_the_middle_ends_the_loop(every: int) -> None:
    engine = EchoEngine()
    run = make_run(CountingSource(10_000, pause_s=0.001), [ListOutput()], engine=engine, every=every)
    count = 0
    for result in run.results():
        count += 1
        if result.frame.index == 10:
            run.stop()
    run.close()
    assert 11 <= count < 10_000
    assert engine.tickets_open == 0


def test_errors_end_the_run_and_frames_between_them_are_kept() -> None:
    engine, output = EchoEngine(fail_at=4), ListOutput()
    run = make_run(CountingSource(1000), [output], engine=engine, every=5)
    for _ in run.results():
        pass
    with pytest.raises(RuntimeError, match="network broke"):
        run.close()
    assert output.indices == list(range(20))  # inference 4 is that of frame 20
    assert output.seen == [index - index % 5 for index in output.indices]
    assert engine.tickets_open == 0


# -- what becomes of it ------------------------------------------------------------------------------------------------


def test_a_tracker_is_given_only_what_was_seen_and_ids_are_carried_on(networks: tuple[Path, Path]) -> None:
    engine = box_network(networks[0].with_name("tracked.onnx"), drift=20)
    seen = list(stream(DRIVE, engines=[asked(engine, 3)], track="bytetrack", max_frames=FRAMES))
    reference = Tracking("bytetrack", 1.0)
    for index, result in enumerate(seen):
        found = result.prediction["boxes"]
        assert isinstance(found, Detections)
        if index % 3:
            assert found is seen[index - 1].prediction["boxes"]
            continue
        alone = reference.follow({"boxes": replace(found, track_ids=None)}, result.frame)["boxes"]
        assert bits(found) == bits(alone)
    last = seen[-1].prediction["boxes"]
    assert isinstance(last, Detections)
    assert last.track_ids is not None
    assert last.track_ids.tolist() == [1, 2]


def test_looks_further_apart_than_the_buffer_are_neighbours_all_the_same() -> None:
    info = SourceInfo("clip", "clip", 64, 48, Fraction(25), Fraction(1, 25))
    boxes, scores = np.array([[10, 10, 40, 40]], np.float32), np.array([0.8], np.float32)
    car = Detections(boxes, scores, np.zeros(1, np.int32), ("car",))
    picture = Picture.from_bgr(np.zeros((2, 2, 3), np.uint8))
    for every, wanted in ((50, [-1, 1, 1, 1]), (1, [-1, -1, -1, -1])):  # two seconds apart, a buffer of one
        tracking = Tracking("bytetrack", 1.0)
        found = [
            tracking.follow({"boxes": car}, Frame(picture, index, Fraction(index, 25), 0, info), every)["boxes"]
            for index in range(0, 200, 50)
        ]
        assert [int(part.track_ids[0]) for part in found] == wanted  # type: ignore[union-attr, index]


def test_events_say_what_is_carried_on_and_how_old_it_is(networks: tuple[Path, Path], tmp_path: Path) -> None:
    area, moving = networks
    engines = [area, asked(moving, 3)]
    lines, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    for path in (lines, table):
        for _ in stream(DRIVE, engines=engines, events=path, max_frames=7):
            pass
    records = events_of(lines)
    assert [record.get("carried") for record in records] == [None, *[{"boxes": 1}, {"boxes": 2}, None] * 2]
    assert records[2]["detections"] == records[0]["detections"] != records[3]["detections"]
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["carried"] for row in rows[::2]] == ["", "1", "2", "", "1", "2", ""]


def test_labels_and_masks_are_written_only_of_frames_that_were_looked_at(
    networks: tuple[Path, Path], tmp_path: Path
) -> None:
    area, moving = networks
    engines = [asked(area, 2), asked(moving, 3)]
    for layout in ("yolo", "coco"):
        for _ in stream(DRIVE, engines=engines, labels=tmp_path / layout, labels_format=layout, max_frames=8):
            pass
        pictures = sorted(path.stem[-6:] for path in (tmp_path / layout / "images").iterdir())
        assert pictures == ["000000", "000003", "000006"]
    assert len(list((tmp_path / "yolo" / "labels").iterdir())) == 3
    for _ in stream(DRIVE, engines=engines, masks=tmp_path / "masks", max_frames=8):
        pass
    masks = sorted(path.stem[-6:] for path in (tmp_path / "masks" / "drivable").iterdir())
    assert masks == ["000000", "000002", "000004", "000006"]


def test_the_picture_marks_labels_of_an_older_frame(tmp_path: Path) -> None:
    """The same still picture and the same boxes: all that differs is the mark."""
    clip, engine = write_clip(tmp_path / "clip.mp4", 4, size=(640, 360)), box_network(tmp_path / "boxes.onnx")
    for layers, differs in (("boxes,labels", True), ("boxes", False)):
        first, second = (
            [result.drawn().bgr().copy() for result in stream(clip, engines=[asked(engine, every)], layers=layers)]
            for every in (1, 2)
        )
        assert [bool(np.any(a != b)) for a, b in zip(first, second, strict=True)] == [False, differs] * 2


def test_the_summary_counts_the_frames_a_network_looked_at(
    networks: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    area, moving = networks
    engines = ["--engine", str(area), "--engine", asked(moving, 3)]
    assert main([DRIVE, *engines, "--max-frames", "10"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("engine")]
    assert [line.endswith(", looked at 4 frames") for line in lines] == [False, True]


def test_the_accuracy_gate_sees_every_one_of_the_first_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine = mask_network(tmp_path / "small.onnx")
    shutil.copy(engine, tmp_path / "reference.onnx")
    shutil.copy(engine.with_suffix(".card.yaml"), tmp_path / "reference.card.yaml")
    with engine.with_suffix(".card.yaml").open("a", encoding="utf-8") as card:
        card.write("reference: reference.onnx\n")
    looks: list[int] = []

    def counted(config: EngineConfig, card: Card, pictures: Iterable[Picture]) -> Verdict | None:
        looks.append(0)

        def counting() -> Iterator[Picture]:
            for picture in pictures:
                looks[-1] += 1
                yield picture

        return gate_engine(config, card, counting())

    monkeypatch.setattr(gating, "gate_engine", counted)
    for _ in range(2):  # the second time the verdict is remembered
        assert sum(1 for _ in stream(DRIVE, engines=[asked(engine, 5)], max_frames=FRAMES)) == FRAMES
    assert looks == [RUN_FRAMES, 0]


def test_the_limit_counts_an_nth_of_a_networks_work(
    networks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stop-watch that shows 6 ms for every inference."""
    monkeypatch.setattr(limit, "_infer_ms", lambda *_: 6.0)
    config = RunConfig.build({"sources": [DRIVE], "engines": [str(networks[0]), asked(networks[1], 3)]})
    parts = limit._Parts(config, open_sessions(config, live=False), [[], []])
    assert parts.infer_ms() == 8.0
    parts.close()


# -- how it is asked for -----------------------------------------------------------------------------------------------


def test_it_rides_on_the_file_and_stands_in_a_preset(tmp_path: Path) -> None:
    preset = tmp_path / "run.yaml"
    preset.write_text("engines:\n  - a.onnx\n  - {file: b.onnx, every: 3}\n  - c.onnx?every=7\n", encoding="utf-8")
    config = RunConfig.build({}, preset)
    assert [engine.every for engine in config.engine_configs()] == [1, 3, 7]


@pytest.mark.parametrize("value", ["0", "-2", "x", "2.5", "", "inf"])
def test_nonsense_is_refused_in_one_line(
    networks: tuple[Path, Path], capsys: pytest.CaptureFixture[str], value: str
) -> None:
    assert main([DRIVE, "--engine", f"{networks[0]}?every={value}"]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert "every" in said
