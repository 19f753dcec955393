"""Recorded inputs other than video files, as a person names them on the command line."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import mask_network
from tests.support.program import command, run_stream


def picture(path: Path, level: int, size: tuple[int, int] = (97, 63)) -> None:
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), level, np.uint8))


def test_a_folder_with_three_unreadable_pictures(tmp_path: Path) -> None:
    folder, saved, events, stats = (tmp_path / name for name in ("shots", "out.mp4", "out.jsonl", "out.json"))
    folder.mkdir()
    for number in range(1, 13):
        picture(folder / f"shot{number}.png", 10 * number)
    (folder / "shot3.png").write_bytes(b"")
    (folder / "shot7.png").write_bytes((folder / "shot8.png").read_bytes()[:50])
    (folder / "shot10.png").write_text("no picture", encoding="utf-8")
    network = mask_network(tmp_path / "mask.onnx")
    words: list[str | Path] = [
        f"{folder}?fps=10",
        "--engine",
        network,
        "--save",
        saved,
        "-o",
        events,
        "--stats",
        stats,
        "--layers",
        "boxes",
    ]
    done = run_stream(*words, "--strict")
    assert done.code == 3, done.err
    for name in ("shot3.png", "shot7.png", "shot10.png"):
        assert done.err.count(f"{name} ") == 1
    assert "3 frames" in done.err
    assert "Traceback" not in done.err
    assert json.loads(stats.read_text(encoding="utf-8"))["frames"]["lost"] == 3
    lines = events_of(events)
    assert [line["index"] for line in lines] == [0, 1, 3, 4, 5, 7, 8, 10, 11]
    assert {line["source"] for line in lines} == {"shots"}
    with av.open(str(saved)) as container:
        frames = list(container.decode(video=0))
        times = [(frame.pts or 0) * (frame.time_base or Fraction(0)) for frame in frames]
        assert times == [Fraction(line["index"], 10) for line in lines]
        assert {(frame.width, frame.height) for frame in frames} == {(98, 64)}  # odd sides grow for 4:2:0
        for frame, line in zip(frames, lines, strict=True):
            assert abs(frame.to_ndarray(format="bgr24")[30, 60].mean() - 10 * (line["index"] + 1)) < 6


def test_the_smallest_picture_is_saved(tmp_path: Path) -> None:
    picture(tmp_path / "one.png", 200, (1, 1))
    network = mask_network(tmp_path / "mask.onnx")
    done = run_stream(tmp_path / "one.png", "--engine", network, "--save", tmp_path / "out.mp4", "--layers", "boxes")
    assert done.code == 0, done.err
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(2, 2)]


def test_a_video_through_a_pipe(tmp_path: Path) -> None:
    clip, saved = write_clip(tmp_path / "clip.ts", 30), tmp_path / "out.mp4"
    network = mask_network(tmp_path / "mask.onnx")
    done = subprocess.run(
        command("-", "--engine", network, "--save", saved, "--max-frames", "20"),
        input=clip.read_bytes(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with av.open(str(saved)) as container:
        assert len(list(container.decode(video=0))) == 20


def test_bench_needs_a_source_it_can_read_again() -> None:
    done = run_stream("bench", "-")
    assert done.code == 2
    assert "several times" in done.err
