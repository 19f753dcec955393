"""The main job on every clip of real footage, with real networks."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engines.embedded import INT8
from tests.browser import plays_to_end
from tests.support.program import command, run_stream

pytestmark = [pytest.mark.shared, pytest.mark.timeout(900)]

FOOTAGE = {
    "udacity_solidWhiteRight.mp4": 221,
    "highway720_300.mp4": 300,
    "city_seattle_a.mp4": 250,
    "city_seattle_b.mp4": 200,
    "city_ringroad_8fps.mp4": 72,
    "night_highway_truck.mp4": 300,
    "night_twolane_720.mp4": 157,
    "rain_highway_audio.mp4": 240,
    "country_curves.mp4": 180,
    "portrait_motorbike_60fps.mp4": 240,
    "mp4v_night_1080.mp4": 60,
    "hevc_city.mp4": 120,
    "mjpeg_city.avi": 75,
    "vp9_rain.webm": 120,
}


def engines(shared: Path) -> list[str]:
    weights = shared / "weights"
    return ["--engine", str(weights / "twinlitenet.onnx"), "--engine", str(weights / "yolov8n-int8-ov.xml")]


def times(path: Path) -> list[Fraction]:
    """Seconds of every frame after the first, by the container's own clock."""
    with av.open(str(path)) as container:
        found = [(frame.pts or 0) * (frame.time_base or Fraction(0)) for frame in container.decode(video=0)]
    return [moment - found[0] for moment in found]


@pytest.mark.parametrize("name", FOOTAGE)
def test_every_frame_comes_out_at_its_own_time(shared: Path, tmp_path: Path, name: str) -> None:
    clip, out, events, stats = shared / "clips" / name, *(tmp_path / f"out{end}" for end in (".mp4", ".jsonl", ".json"))
    words: list[str | Path] = [
        "--engine",
        INT8,  # the network in the box: a third of the work of twinlitenet, which the tests below take
        "--engine",
        shared / "weights/yolov8n-int8-ov.xml",
        "--save",
        out,
        "--preset",
        "ultrafast",
        "--events",
        events,
        "--stats",
        stats,
        "--quiet",
    ]
    done = run_stream(clip, *words, timeout=600)
    assert done.code == 0, done.err
    given, wanted = times(out), times(clip)
    assert len(given) == len(wanted) == FOOTAGE[name]
    assert max(abs(one - other) for one, other in zip(given, wanted, strict=True)) < Fraction(15, 10_000)
    with av.open(str(out)) as container, av.open(str(clip)) as source:
        video = container.streams.video[0].codec_context
        assert (video.name, video.pix_fmt) == ("h264", "yuv420p")
        assert len(container.streams.audio) == min(1, len(source.streams.audio))
    figures = json.loads(stats.read_text(encoding="utf-8"))
    assert figures["frames"]["written"] == FOOTAGE[name]
    assert figures["frames"]["lost"] == 0
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    assert [line["index"] for line in lines] == list(range(FOOTAGE[name]))
    assert max(line["masks"]["drivable"]["share"] for line in lines) > 0.1
    if name == "udacity_solidWhiteRight.mp4":
        report = plays_to_end(out)
        assert (report.ended, report.error, report.width, report.height) == (True, "", 960, 540)
        assert report.sound
        assert report.seconds == pytest.approx(221 / 25, abs=0.1)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n")


def test_killed_at_ten_random_moments_all_but_the_last_second_is_on_disk(shared: Path, tmp_path: Path) -> None:
    """The events file, flushed line by line, says how far the run was."""
    chance = random.Random(12)
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        words: list[str | Path] = [
            shared / "clips/udacity_solidWhiteRight.mp4",
            *engines(shared),
            "--realtime",
            "--loop",
        ]
        words += ["--save", folder / "out.mp4", "--events", folder / "out.jsonl", "--quiet"]
        process = subprocess.Popen(command(*words), stderr=subprocess.PIPE)
        part, events = folder / "out.part.mp4", folder / "out.part.jsonl"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (part.exists() and events.exists() and _lines(events) > 25):
            time.sleep(0.05)  # a second of the drive, however busy the machine is
        time.sleep(chance.uniform(1.5, 6))
        process.kill()
        process.communicate()
        lines = events.read_text(encoding="utf-8").splitlines()
        reached = json.loads(lines[-1] if lines[-1].endswith("}") else lines[-2])["pts"]
        found = times(part)
        assert len(found) > 0
        assert reached - float(found[-1]) < 1.0
        assert found == sorted(set(found))


_WITHOUT_AMX = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
"""OpenVINO runs the signed-int8 file right on CPUs with AMX and, without a word, blind on all others."""


def test_a_network_that_runs_wrong_is_refused_not_run(shared: Path, tmp_path: Path) -> None:
    clip, weights = shared / "clips/udacity_solidWhiteRight.mp4", shared / "weights"
    words: list[str | Path] = [
        clip,
        "--engine",
        weights / "yolov8n-int8-qdq.onnx",
        "--save",
        tmp_path / "out.mp4",
        "--max-frames",
        "30",
    ]
    refused = run_stream(*words, "--precision", "fp32", "--quiet", environment=_WITHOUT_AMX)
    assert refused.code == 4
    assert len(refused.err.splitlines()) == 1, refused.err
    assert "--backend" in refused.err
    assert list(tmp_path.iterdir()) == []
    accepted = run_stream(*words, "--backend", "onnxruntime")
    assert accepted.code == 0, accepted.err


def test_models_check_tells_good_from_bad(shared: Path) -> None:
    weights, clip = shared / "weights", shared / "clips/highway720_300.mp4"
    words: list[str | Path] = ["--reference", weights / "yolov8n-fp32.onnx", "--frames", clip, "--max-frames", "24"]
    words += ["--precision", "fp32"]
    bad = run_stream("models", "check", weights / "yolov8n-int8-qdq.onnx", *words, environment=_WITHOUT_AMX)
    good = run_stream("models", "check", weights / "yolov8n-int8-ov.xml", *words)
    assert (bad.code, good.code) == (4, 0), bad.err + good.err
    assert "refused" in bad.out
    assert "accepted" in good.out


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("empty.mp4", 3, ["empty"]),
        ("text.mp4", 3, ["text.mp4"]),
        ("audio_only.m4a", 3, ["audio_only.m4a"]),
        ("zero_frame.mp4", 3, ["zero_frame.mp4"]),
    ],
)
def test_clips_without_pictures(shared: Path, tmp_path: Path, name: str, code: int, words: list[str]) -> None:
    done = run_stream(shared / "clips" / name, *engines(shared), "--save", tmp_path / "out.mp4")
    assert done.code == code
    assert len(done.err.splitlines()) == 1, done.err
    assert all(word in done.err for word in words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "kept", "lost"), [("truncated.mp4", 24, 21), ("corrupt_middle.mp4", 43, 2)])
def test_damage_costs_only_what_cannot_be_decoded(
    shared: Path, tmp_path: Path, name: str, kept: int, lost: int
) -> None:
    words: list[str | Path] = [
        shared / "clips" / name,
        *engines(shared),
        "--save",
        tmp_path / "out.mp4",
        "--stats",
        tmp_path / "s.json",
    ]
    done = run_stream(*words)
    assert done.code == 0, done.err
    frames = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["frames"]
    assert (frames["written"], frames["lost"], len(times(tmp_path / "out.mp4"))) == (kept, lost, kept)
    assert f"{lost} frames" in done.err
    assert run_stream(*words, "--strict", "--overwrite").code == 3
