"""``from roadstream import stream``: the Python side, on real clips and networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from roadstream import Detections, EngineError, Mask, OutputError, SourceError, Stream, UsageError, stream
from tests.support.clips import write_clip
from tests.support.fakes import ListOutput
from tests.support.memory import most_alive
from tests.support.networks import box_network, mask_network

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_results_carry_frame_prediction_timings_and_the_drawn_picture(tmp_path: Path) -> None:
    engines = [mask_network(tmp_path / "mask.onnx"), box_network(tmp_path / "boxes.onnx")]
    results = list(stream(write_clip(tmp_path / "clip.mp4", 12), engines=engines))
    assert [result.frame.index for result in results] == list(range(12))
    for result in results:
        assert set(result.prediction) == {"drivable", "boxes"}
        boxes, area = result.prediction["boxes"], result.prediction["drivable"]
        assert isinstance(boxes, Detections)
        assert isinstance(area, Mask)
        assert [boxes.name(index) for index in range(len(boxes))] == ["car", "bus"]
        assert list(result.timings.milliseconds()) == ["prepare", "infer", "heads"]
        assert result.timings.latency_ms > 0
        assert result.drawn() is result.drawn()
    plain, drawn = results[3].frame.picture.bgr(), results[3].drawn().bgr()
    assert plain.shape == drawn.shape
    assert np.any(plain != drawn)


def test_heads_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    engines = [box_network(tmp_path / "a.onnx"), box_network(tmp_path / "b.onnx")]
    result = next(iter(stream(write_clip(tmp_path / "clip.mp4", 3), engines=engines)))
    assert set(result.prediction) == {"a.boxes", "b.boxes"}


def test_leaving_the_loop_finishes_the_file(tmp_path: Path) -> None:
    network, out = mask_network(tmp_path / "mask.onnx"), tmp_path / "out.mp4"
    for result in stream(write_clip(tmp_path / "clip.mp4", 50), engines=[network], save=out):
        if result.frame.index == 5:
            break
    assert out.exists()
    assert list(tmp_path.glob("*.part*")) == []


def test_a_callback_that_raises_ends_the_run_and_keeps_what_is_written(tmp_path: Path) -> None:
    network, out = mask_network(tmp_path / "mask.onnx"), tmp_path / "out.mp4"

    def callback() -> None:
        for result in stream(write_clip(tmp_path / "clip.mp4", 50), engines=[network], save=out):
            if result.frame.index == 5:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        callback()
    assert out.exists()


def test_an_output_of_ones_own_gets_every_result(tmp_path: Path) -> None:
    class Shares(ListOutput):
        def write(self, result: object) -> None:
            self.indices.append(result.frame.index)  # type: ignore[attr-defined]

    own = Shares("own")
    run = stream(write_clip(tmp_path / "clip.mp4", 9), engines=[mask_network(tmp_path / "m.onnx")], outputs=[own])
    assert sum(1 for _ in run) == 9
    assert own.indices == list(range(9))
    assert run.statistics()["outputs"]["own"] == {"written": 9, "dropped": 0}


def test_statistics_are_written_even_when_the_run_fails(tmp_path: Path) -> None:
    network, stats = mask_network(tmp_path / "m.onnx"), tmp_path / "out.json"
    broken = ListOutput("broken", fail_at=4)
    broken.write = lambda result: (_ for _ in ()).throw(OutputError("full", "make room"))  # type: ignore[method-assign]
    with pytest.raises(OutputError, match="full"):
        list(stream(write_clip(tmp_path / "clip.mp4", 9), engines=[network], stats=stats, outputs=[broken]))
    assert json.loads(stats.read_text(encoding="utf-8"))["version"] == 1


def test_what_goes_wrong_while_finishing_is_told_after_a_break(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ListOutput):
        def write(self, result: object) -> None:
            pass

    clip, network = write_clip(tmp_path / "clip.mp4", 9), mask_network(tmp_path / "m.onnx")

    def leave_early(run: Stream) -> None:
        with run:
            for _ in run:
                break

    with pytest.raises(RuntimeError, match="close broke"):
        leave_early(stream(clip, engines=[network], outputs=[Broken(fail_close=True)]))
    for _ in stream(clip, engines=[network], outputs=[Broken(fail_close=True)]):
        break
    assert "close broke" in caplog.text


def test_a_stream_runs_once(tmp_path: Path) -> None:
    run = stream(write_clip(tmp_path / "clip.mp4", 3), engines=[mask_network(tmp_path / "m.onnx")])
    assert len(list(run)) == 3
    run.close()
    with pytest.raises(UsageError, match="has run already"):
        list(run)


def test_mistakes_are_told_by_kind(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 3), mask_network(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="did you mean 'engines'"):
        stream(clip, engine=[network])
    with pytest.raises(SourceError):
        list(stream(tmp_path / "no.mp4", engines=[network]))
    with pytest.raises(EngineError):
        list(stream(clip, engines=[tmp_path / "no.onnx"]))


def test_no_more_than_a_few_frames_are_in_memory(tmp_path: Path) -> None:
    """Nobody keeps what the caller had."""
    run = stream(write_clip(tmp_path / "clip.mp4", 80), engines=[mask_network(tmp_path / "m.onnx")])
    assert most_alive(run) <= 3
