"""``--push`` as a person uses it: beside a recording, against servers that hang or refuse."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from tests.support.clips import write_clip
from tests.support.networks import mask_network
from tests.support.program import run_here, run_stream, running
from tests.support.recording import decoded
from tests.support.rtsp_record_server import RecordServer, record_server
from tests.support.waiting import until

_PASSWORD = "pass%23word"


def test_a_recording_is_pushed_at_its_own_speed(tmp_path: Path) -> None:
    clip, network, stats = (
        write_clip(tmp_path / "clip.mp4", 60),
        mask_network(tmp_path / "net.onnx"),
        tmp_path / "s.json",
    )
    with record_server(tmp_path) as server:
        words = (clip, "--engine", network, "--push", server.url(), "--save", tmp_path / "out.mp4", "--stats", stats)
        done = run_stream(*words)
        assert done.code == 0, done.err
        assert server.sessions()[0].stat().st_size > 0
    figures = json.loads(stats.read_text(encoding="utf-8"))
    length = float(decoded(clip)[-1][0])
    assert figures["seconds"] >= length
    assert figures["outputs"]["encode"] == {"written": 60, "dropped": 0}
    pushed = figures["outputs"]["push"]
    assert pushed["written"] + pushed["dropped"] == 60
    assert pushed["written"] > 0


@contextmanager
def _endless(tmp_path: Path, server: RecordServer) -> Iterator[subprocess.Popen[str]]:
    """A run that pushes and records, and of which something has arrived."""
    clip, network = write_clip(tmp_path / "clip.mp4", 60), mask_network(tmp_path / "net.onnx")
    words: list[str | Path] = [clip, "--loop", "--engine", network, "--push", server.url()]
    with running(*words, "--save", tmp_path / "out.mp4", "--stats", tmp_path / "out.json") as process:
        until(lambda: bool(server.sessions()) and server.sessions()[0].stat().st_size > 20_000, "something has arrived")
        yield process


def test_an_interrupted_run_ends_though_the_server_hangs(tmp_path: Path) -> None:
    with record_server(tmp_path) as server, _endless(tmp_path, server) as process:
        helpers = psutil.Process(process.pid).children()
        server.freeze()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert len(decoded(tmp_path / "out.mp4")) == figures["frames"]["read"]
    assert helpers
    assert psutil.wait_procs(helpers, 30)[1] == []


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    with record_server(tmp_path) as server, _endless(tmp_path, server) as process:
        helpers = psutil.Process(process.pid).children()
        process.kill()
        process.communicate(timeout=60)
    assert helpers
    assert psutil.wait_procs(helpers, 60)[1] == []


def test_a_wrong_password_ends_the_run_and_is_not_shown(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 60), mask_network(tmp_path / "net.onnx")
    with record_server(tmp_path, "--login=driver:another") as server:
        url = server.url(f"driver:{_PASSWORD}")
        done = run_stream(clip, "--loop", "--engine", network, "--push", url, "--debug")
    assert done.code == 5
    assert "401 Unauthorized" in done.err
    for secret in (_PASSWORD, "pass#word"):
        assert secret not in done.out + done.err


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("udp://10.0.0.1:5000", "no media server's URL"),
        ("live.mp4", "write rtsp://HOST:8554/NAME"),
        ("rtsp:///live", "no host"),
        ("rtsp://host:port/live", "no host, or a port that is none"),
        ("rtsp://u:${NO_SUCH}@host/live", "NO_SUCH is not set → export NO_SUCH=… first; ${NO_SUCH} stands for it"),
        ("rtsp://u:p@ss:w/rd@host:8554/live", "(# is %23, / is %2F, ? is %3F)"),
        ("rtmps://me:word1@host/app/key1", "?user=…&pass=… (or put #insecure behind the URL)"),
    ],
)
def test_refused_before_anything_starts(capfd: pytest.CaptureFixture[str], url: str, says: str) -> None:
    done = run_here(capfd, "synthetic:", "--push", url)
    assert done.code == 2
    assert says in done.err


def test_a_dry_run_tells_of_it_and_hides_the_password(capfd: pytest.CaptureFixture[str]) -> None:
    done = run_here(capfd, "synthetic:", "--push", f"rtsp://driver:{_PASSWORD}@host/live", "--dry-run")
    assert done.code == 0
    assert "draw → push" in done.err
    assert '"push": "rtsp://host/live"' in done.out
    assert "driver" not in done.out + done.err
