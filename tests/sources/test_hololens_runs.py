"""Runs on an emulated HoloLens as a person starts them: what comes out, what the exit code is, what is never shown."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
import pytest

from roadstream import stream
from tests.support.device_portal import Portal, certificate, portal
from tests.support.hl2ss_device import HOST, Hl2ssDevice
from tests.support.networks import box_network, mask_network
from tests.support.program import run_stream

USER, PASSWORD = "me@home", "p:w#1 secret"
LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
FORMS = (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())


@pytest.fixture
def device() -> Iterator[Hl2ssDevice]:
    with Hl2ssDevice() as found:
        yield found


@pytest.fixture
def its_portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with portal(certificate(tmp_path), login=(USER, PASSWORD)) as found:
        yield found


def no_secrets(*texts: str) -> None:
    for form in FORMS:
        assert not [text for text in texts if form in text], form


def test_results_have_pose_intrinsics_and_depth(device: Hl2ssDevice, tmp_path: Path) -> None:
    network = mask_network(tmp_path / "net.onnx")
    seen: set[str] = set()
    with stream(f"hl2ss://{HOST}?size=424x240", engines=[network], max_frames=300) as results:
        for result in results:
            frame = result.frame
            seen |= {name for name in ("pose", "intrinsics", "depth") if getattr(frame, name) is not None}
            if len(seen) == 3:
                break
    assert seen == {"pose", "intrinsics", "depth"}
    assert device.switched_off.wait(60)


def test_what_is_on_the_wall_is_as_large_as_the_wall_says(device: Hl2ssDevice, tmp_path: Path) -> None:
    """Against rays of the picture's camera cut with the wall itself, 3 m away."""
    network = box_network(tmp_path / "net.onnx")
    with stream(f"hl2ss://{HOST}?size=424x240", engines=[network], max_frames=300) as results:
        for result in results:
            sizes = result.prediction.detections()["boxes"].sizes
            if sizes is not None and np.isfinite(sizes.box_widths).all():
                break
    frame, found = result.frame, result.prediction.detections()["boxes"]
    assert sizes is not None
    assert frame.pose is not None
    assert frame.intrinsics is not None
    for index, (x1, y1, x2, y2) in enumerate(found.boxes.astype(np.float64).tolist()):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        rays = frame.intrinsics.rays(np.array([(x1, y), (x2, y), (x, y1), (x, y2)]))
        ways = np.concatenate([rays, np.ones((4, 1))], axis=1) @ frame.pose[:3, :3].T
        left, right, top, bottom = frame.pose[:3, 3] + ways * ((-3 - frame.pose[2, 3]) / ways[:, 2:])
        assert sizes.box_widths[index] == pytest.approx(1000 * math.dist(left, right), rel=0.01)
        assert sizes.box_heights[index] == pytest.approx(1000 * math.dist(top, bottom), rel=0.01)


def test_a_run_on_the_research_streams_is_saved(device: Hl2ssDevice, tmp_path: Path) -> None:
    network, video, stats = mask_network(tmp_path / "net.onnx"), tmp_path / "out.mp4", tmp_path / "stats.json"
    words: list[str | Path] = ["--engine", network, "--save", video, "--stats", stats, "--max-frames", "15"]
    done = run_stream(f"hl2ss://{HOST}?size=424x240&depth=none", *words)
    assert done.code == 0, done.err
    source = json.loads(stats.read_text())["sources"][0]
    assert (source["id"], source["width"], source["height"], source["live"]) == (f"hololens-{HOST}", 424, 240, True)
    with av.open(str(video)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert pictures
    assert pictures[-1][-5:, 200:220].mean(axis=(0, 1)).argmax() == 1  # the floor is below


@pytest.mark.parametrize("place", ["in the URI", "in the environment"])
def test_a_run_on_the_device_portal_shows_its_password_nowhere(its_portal: Portal, tmp_path: Path, place: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    login = LOGIN if place == "in the URI" else "${HL_USER}:${HL_PASSWORD}"
    uri = f"hololens://{login}@127.0.0.1:{its_portal.port}?quality=low"
    files = {"--save": "o.mp4", "--events": "e.jsonl", "--stats": "s.json", "--report": "r.html"}
    outputs = [word for option, name in files.items() for word in (option, out / name)]
    network = mask_network(tmp_path / "net.onnx")
    environment = os.environ | {"HL_USER": USER, "HL_PASSWORD": PASSWORD}
    run: list[str | Path] = [uri, "--engine", network, *outputs, "--max-frames", "10", "--debug"]
    done = run_stream(*run, environment=environment)
    assert done.code == 0, done.err
    assert "is seen for the first time" in done.err
    written = [file.read_bytes().decode("latin-1") for file in sorted(out.iterdir())]
    assert len(written) == 4
    no_secrets(done.out, done.err, *written)
    dry = run_stream(*run, "--dry-run", "--overwrite", environment=environment)
    assert dry.code == 0, dry.err
    no_secrets(dry.out, dry.err)


def test_a_wrong_password_ends_the_run_with_the_source_s_exit_code(its_portal: Portal, tmp_path: Path) -> None:
    its_portal.login = (USER, "something else")
    network = mask_network(tmp_path / "net.onnx")
    uri = f"hololens://{LOGIN}@127.0.0.1:{its_portal.port}"
    done = run_stream(uri, "--engine", network, "--save", tmp_path / "o.mp4", "--debug")
    assert done.code == 3
    assert "refuses the user name or the password" in done.err
    assert "Device Portal" in done.err
    no_secrets(done.out, done.err)
