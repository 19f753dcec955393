"""A server that stands still for 20 s, watched by the program as it comes: it goes on, and what it saved plays."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from contracts.live import Patience
from tests.support.networks import mask_network
from tests.support.program import running
from tests.support.recording import decoded
from tests.support.rtsp_server import Mount, rtsp_server

STALL_S = 20.0
_LONG_S = 60.0


def test_twenty_seconds_of_standstill_are_one_outage(tmp_path: Path) -> None:
    events, video, stats = tmp_path / "e.jsonl", tmp_path / "out.mp4", tmp_path / "s.json"
    with rtsp_server(Mount(width=640, height=360)) as server:
        words: list[str | Path] = [server.url(), "--engine", mask_network(tmp_path / "network.onnx")]
        words += ["--save", video, "--events", events, "--stats", stats]
        with running(*words) as process:
            reached = _waited(process, tmp_path / "e.part.jsonl", 0)
            server.stop()
            time.sleep(STALL_S)
            server.go_on()
            continued = time.monotonic()
            _waited(process, tmp_path / "e.part.jsonl", reached + 50)
            back_s = time.monotonic() - continued
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=_LONG_S)
    assert process.returncode == 130, said
    frames = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    (back,) = [frame for frame in frames if "outage" in frame]
    outage_s = back["outage"]["seconds"]
    print(f"\nan outage of {outage_s:.1f} s; 50 frames more {back_s:.1f} s after the server went on\n{said}")
    assert STALL_S - 1 < outage_s < STALL_S + 3 * Patience().read_s
    assert back_s < 3 * Patience().read_s
    assert f"is back after {outage_s:.0f} s" in said
    times = [float(moment) for moment, _ in decoded(video)]
    assert len(times) == len(frames)
    assert max(after - before for before, after in pairwise(times)) > STALL_S - 1
    (source,) = json.loads(stats.read_text(encoding="utf-8"))["sources"]
    assert source["reconnects"] == 1


def _waited(process: subprocess.Popen[str], events: Path, frames: int) -> int:
    """How many frames there are, once there are more than that."""
    deadline = time.monotonic() + _LONG_S
    while True:
        found = events.read_text(encoding="utf-8").count("\n") if events.exists() else 0
        if found > frames:
            return found
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
