"""Several sources on the command line: what is printed, exit codes, Ctrl-C, the window."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from commands.progress import progress_of_several
from contracts.frame import SourceInfo
from contracts.live import LiveState
from pipeline.figures import Progress
from pipeline.source_state import SourceState
from tests.support.clips import write_clip
from tests.support.networks import mask_network
from tests.support.program import command, run_stream
from tests.support.screen import Screen
from tests.support.waiting import until


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_video_each_and_what_is_said_of_them(tmp_path: Path) -> None:
    front, rear = write_clip(tmp_path / "front.mp4", 12), write_clip(tmp_path / "rear.mp4", 5)
    out, stats = tmp_path / "out.mp4", tmp_path / "s.json"
    network = mask_network(tmp_path / "mask.onnx")
    done = run_stream(front, rear, "--engine", network, "--save", out, "--stats", stats)
    assert done.code == 0, done.err
    assert frames(tmp_path / "out-front.mp4") == 12
    assert frames(tmp_path / "out-rear.mp4") == 5
    assert not out.exists()
    assert "front       12 read, 12 through the networks, 12 written\n" in done.err
    assert "rear        5 read, 5 through the networks, 5 written\n" in done.err
    assert "frames      17 read, 17 through the networks, 17 written\n" in done.err
    for name in ("out-front.mp4", "out-rear.mp4", "s.json"):
        assert f"written     {tmp_path / name}\n" in done.err
    assert len(json.loads(stats.read_text(encoding="utf-8"))["sources"]) == 2


def test_a_lost_source_is_named_at_the_end_and_in_the_exit_code(tmp_path: Path) -> None:
    there, network = write_clip(tmp_path / "there.mp4", 9), mask_network(tmp_path / "mask.onnx")
    events = tmp_path / "e.jsonl"
    done = run_stream(there, tmp_path / "gone.mp4", "--engine", network, "--events", events, "--quiet")
    assert done.code == 3
    assert "Traceback" not in done.err
    first, last = done.err.splitlines()[0], done.err.splitlines()[-1]
    assert first.startswith(f"roadstream: gone is lost: no such file: {tmp_path / 'gone.mp4'} → ")
    assert last == first.replace(" is lost", " was lost")
    assert len((tmp_path / "e-there.jsonl").read_text(encoding="utf-8").splitlines()) == 9


def test_all_lost_is_an_error(tmp_path: Path) -> None:
    network = mask_network(tmp_path / "mask.onnx")
    done = run_stream(tmp_path / "a.mp4", tmp_path / "b.mp4", "--engine", network, "--save", tmp_path / "o.mp4")
    assert done.code == 3
    assert "no such file" in done.err
    assert not list(tmp_path.glob("o*"))


@pytest.mark.parametrize("grid", [False, True])
def test_ctrl_c_finishes_everything(grid: bool, tmp_path: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 30) for name in "ab"]
    words: list[str | Path] = [
        *sources,
        "--engine",
        mask_network(tmp_path / "mask.onnx"),
        "--loop",
        "--save",
        tmp_path / "out.mp4",
    ]
    with subprocess.Popen(command(*words, *(["--grid"] if grid else [])), stderr=subprocess.PIPE, text=True) as process:
        wanted = ["out.part.mp4"] if grid else ["out-a.part.mp4", "out-b.part.mp4"]
        try:
            until(lambda: all(_bytes(tmp_path / name) > 2000 for name in wanted), "something is recorded")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()  # an endless run
    assert process.returncode == 130, said
    assert "interrupted; outputs are finished" in said
    assert "Traceback" not in said
    made = sorted(file.name for file in tmp_path.glob("out*"))
    assert made == (["out.mp4"] if grid else ["out-a.mp4", "out-b.mp4"])
    assert all(frames(tmp_path / name) > 5 for name in made)


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def test_bench_measures_one(tmp_path: Path) -> None:
    done = run_stream("bench", "synthetic:city", "synthetic:night")
    assert done.code == 2
    assert "bench measures one source, 2 given" in done.err


def test_the_progress_line_names_a_few_and_counts_many() -> None:
    def source(name: str, state: LiveState, finished: int | None = None, total: int | None = None) -> SourceState:
        info = SourceInfo(name, name, 8, 8, None, Fraction(1), frames=total)
        return SourceState(name, state, "", None if finished is None else info, _progress(finished or 0))

    few = [
        source("front", LiveState.LIVE, 120, 300),
        source("rear", LiveState.ENDED, 88, 88),
        source("gate", LiveState.LOST),
        source("yard", LiveState.CONNECTING),
    ]
    whole = _progress(208, fps=31.24, dropped=2)
    assert progress_of_several(whole, few) == (
        "front 120/300 · rear 88/88 done · gate 0 lost · yard 0 connecting · 31.2 FPS · 2 dropped"
    )
    many = [*few, *(source(str(number), LiveState.LIVE, 1) for number in range(3))]
    assert progress_of_several(whole, many) == (
        "208 frames of 7 sources (4 running, 1 ended, 1 lost, 1 connecting) · 31.2 FPS · 2 dropped"
    )


def _progress(finished: int, fps: float = 0.0, dropped: int = 0) -> Progress:
    return Progress(finished, finished, dropped, 0, 1.0, fps, None, None)


def test_a_window_shows_all_of_them_and_q_ends_them(display: Screen, tmp_path: Path) -> None:
    """Beside it each has its own video: the window is a grid of pictures of that size."""
    sources = [write_clip(tmp_path / f"{name}.mp4", 40, size=(320, 240)) for name in "ab"]
    words: list[str | Path] = [*sources, "--engine", mask_network(tmp_path / "mask.onnx"), "--loop", "--show"]
    with subprocess.Popen(
        command(*words, "--save", tmp_path / "out.mp4"),
        cwd=tmp_path,
        env=display.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until(lambda: "RoadStream" in display.title() or process.poll() is not None, "a window")
            until(lambda: "loading" not in display.title() or process.poll() is not None, "a picture")
            time.sleep(1)
            shown = display.inside()
            display.press("q")
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()  # an endless run
    assert process.returncode == 0, said
    assert shown.shape == (240, 640, 3)
    assert np.abs(shown[100:140, :100].astype(int) - shown[100:140, 320:420].astype(int)).mean() < 12
    assert sorted(file.name for file in tmp_path.glob("out*")) == ["out-a.mp4", "out-b.mp4"]
