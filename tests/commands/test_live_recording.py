"""What is recorded of a camera that goes, comes back as another one, and goes for good: it plays, with every outage."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.networks import mask_network
from tests.support.program import command
from tests.support.recording import decoded
from tests.support.rtsp_server import Mount, rtsp_server

_LONG_S = 120.0


def _wait(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONG_S
    while not until():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def _frames(events: Path) -> list[dict[str, object]]:
    if not events.exists():
        return []
    whole = events.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_camera_that_comes_back_as_another_and_then_goes_for_good(tmp_path: Path, codec: str) -> None:
    events, video, stats = tmp_path / "e.jsonl", tmp_path / "out.mp4", tmp_path / "s.json"
    part = tmp_path / "e.part.jsonl"
    with rtsp_server(Mount(width=320, height=240)) as server:
        words: list[str | Path] = [
            server.url(),
            "--engine",
            mask_network(tmp_path / "net.onnx"),
            "--save",
            video,
            "--events",
            events,
        ]
        words += ["--stats", stats, "--reconnect", "4", "--read-timeout", "2", "--open-timeout", "20"]
        process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        _wait(process, lambda: len(_frames(part)) > 20)
        server.kill()
        time.sleep(1)
        server.start(Mount(width=640, height=360, codec=codec))  # type: ignore[arg-type]
        _wait(process, lambda: sum(frame.get("connection") == 1 for frame in _frames(part)) > 20)
        server.kill()
        _, said = process.communicate(timeout=_LONG_S)
    assert process.returncode == 3, said
    assert "refuses connections" in said
    assert "scaled to 320×240" in said
    figures = json.loads(stats.read_text(encoding="utf-8"))
    frames, shown = _frames(events), decoded(video)
    for name, count in (("events", len(frames)), ("encode", len(shown))):  # each drops its own where it is too slow
        assert count == figures["outputs"][name]["written"]
        assert count + figures["outputs"][name]["dropped"] == figures["frames"]["inferred"]
    times = [float(moment) for moment, _ in shown]
    assert times == sorted(set(times))
    (outage,) = [frame["outage"] for frame in frames if "outage" in frame]
    assert isinstance(outage, dict)
    assert max(after - before for before, after in pairwise(times)) == pytest.approx(outage["seconds"], abs=0.5)
    (source,) = figures["sources"]
    assert (source["reconnects"], source["state"]) == (1, "ended")
    assert "refuses connections" in source["reason"]
    assert figures["frames"]["reconnects"] == 1
