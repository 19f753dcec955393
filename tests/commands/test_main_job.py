"""The main job as a person runs it: clip in, network runs, annotated MP4, events and figures out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import box_network, mask_network
from tests.support.peers import peer
from tests.support.program import command, run_stream, running
from tests.support.waiting import LONG_S, until


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [(frame.pts or 0) * (frame.time_base or Fraction(0)) for frame in container.decode(video=0)]


def test_two_networks_on_one_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 40, beep_at=0.5)
    out, events, stats = (tmp_path / name for name in ("out.mp4", "out.jsonl", "out.json"))
    engines: list[str | Path] = [
        "--engine",
        box_network(tmp_path / "boxes.onnx"),
        "--engine",
        mask_network(tmp_path / "mask.onnx"),
    ]
    done = run_stream(clip, *engines, "--save", out, "-o", events, "--stats", stats)
    assert done.code == 0, done.err
    assert done.out == ""
    assert times(out) == times(clip)
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert len(container.streams.audio) == 1
    lines = events_of(events)
    assert [line["index"] for line in lines] == list(range(40))
    assert [found["class"] for found in lines[0]["detections"]] == ["car", "bus"]
    # 64×48 on 128×96: twice the size; centre 16,16, size 20×12
    assert lines[0]["detections"][0]["box"] == pytest.approx([12, 20, 52, 44], abs=0.05)
    assert 0 <= lines[0]["masks"]["drivable"]["share"] < 0.2
    figures = json.loads(stats.read_text(encoding="utf-8"))
    assert figures["version"] == 1
    assert figures["frames"] == {"read": 40, "inferred": 40, "written": 40, "dropped": 0, "lost": 0, "reconnects": 0}
    assert list(figures["stages"])[:6] == ["decode", "prepare", "infer", "heads", "draw", "encode"]
    assert [engine["backend"] for engine in figures["engines"]] == ["openvino", "openvino"]
    assert sorted(path.name for path in tmp_path.glob("*.part*")) == []


def test_both_runtimes_write_the_same_events(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 10), mask_network(tmp_path / "mask.onnx")
    shares: list[list[float]] = []
    for backend in ("openvino", "onnxruntime"):
        events = tmp_path / f"{backend}.jsonl"
        options = ["--backend", backend, "--precision", "fp32" if backend == "openvino" else "auto"]
        assert run_stream(clip, "--engine", network, "--events", events, *options).code == 0
        lines = events_of(events)
        shares.append([line["masks"]["drivable"]["share"] for line in lines])
    assert shares[0] == pytest.approx(shares[1], abs=1e-3)


def test_a_preset_gives_what_the_command_line_leaves_open(tmp_path: Path) -> None:
    network = mask_network(tmp_path / "mask.onnx")
    preset = tmp_path / "preset.yaml"
    preset.write_text(f"engines: ['{network}?score=0.4']\nmax_frames: 7\nlayers: [panel]\n", encoding="utf-8")
    clip, events = write_clip(tmp_path / "clip.mp4", 20), tmp_path / "out.jsonl"
    assert run_stream(clip, "--config", preset, "--events", events).code == 0
    assert len(events.read_text(encoding="utf-8").splitlines()) == 7
    resolved = json.loads(run_stream(clip, "--config", preset, "--max-frames", "3", "--dry-run").out)
    assert (resolved["max_frames"], resolved["layers"], resolved["engines"][0]["score"]) == (3, ["panel"], 0.4)


@contextmanager
def _endless(tmp_path: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has recorded something."""
    clip, network = write_clip(tmp_path / "clip.mp4", 50), mask_network(tmp_path / "mask.onnx")
    words = (clip, "--engine", network, "--save", tmp_path / "out.mp4", "--loop", "--realtime", *words)
    part = tmp_path / "out.part.mp4"
    with running(*words) as process:
        until(lambda: part.exists() and part.stat().st_size > 4000, "something is recorded")
        time.sleep(1.0)
        yield process


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGINT],
        [signal.SIGTERM],
        [signal.SIGTERM, signal.SIGINT],  # at once, as from timeout(1) or a terminal that is closed: one wish
    ],
)
def test_an_interrupted_run_is_finished_under_its_own_name(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    with _endless(tmp_path, "--events", tmp_path / "out.jsonl", "--stats", tmp_path / "out.json") as process:
        for number in numbers:
            process.send_signal(number)
        _, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    count = len(times(tmp_path / "out.mp4"))
    assert count >= 20
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == count
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["frames"]["written"] == count
    assert list(tmp_path.glob("*.part*")) == []


def test_a_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    with (
        peer() as (silent, _),  # whom the end of the run waits four seconds for
        _endless(tmp_path, "--push", f"rtsp://{silent}/x") as process,
    ):
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 130
    assert "left at once" in err


def test_a_killed_run_leaves_a_part_that_plays(tmp_path: Path) -> None:
    with _endless(tmp_path) as process:
        process.kill()
    assert not (tmp_path / "out.mp4").exists()
    assert len(times(tmp_path / "out.part.mp4")) >= 5


def test_help_teaches_and_needs_nothing_heavy(tmp_path: Path) -> None:
    done = run_stream("--help")
    assert done.code == 0
    for word in ("--engine", "--save", "examples:", "exit codes"):
        assert word in done.out
    script = "import sys, run_stream\ntry:\n run_stream.main(['--help'])\nexcept SystemExit: pass\n" + (
        "sys.exit(any(name in sys.modules for name in ('cv2', 'numpy', 'av', 'openvino', 'onnxruntime', 'pydantic')))"
    )
    done_code = subprocess.run(
        [command()[0], "-c", script], cwd=Path(command()[3]).parent, stdout=subprocess.DEVNULL, check=False
    ).returncode
    assert done_code == 0


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(command("--dry-run", "x.mp4"), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert process.returncode == 0
    assert b"Traceback" not in process.stderr
