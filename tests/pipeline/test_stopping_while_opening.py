"""A run that is stopped from another thread while its sources are still opening ends soon, and without an error."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from roadstream import stream
from tests.support.networks import mask_network
from tests.support.peers import peer, unused_port


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("where", ["nobody is there", "nobody says a word"])
def test_it_ends(count: int, where: str, tmp_path: Path) -> None:
    with peer() as (quiet, _):
        place = quiet if where == "nobody says a word" else f"127.0.0.1:{unused_port()}"
        uris = [f"http://{place}/{number}.mjpeg" for number in range(count)]
        network = mask_network(tmp_path / "net.onnx")
        run = stream(*uris, engines=[network], reconnect="forever", open_timeout=5, stats=tmp_path / "s.json")
        before = set(threading.enumerate())
        timer = threading.Timer(1.5, run.stop)
        timer.start()
        begun = time.monotonic()
        assert list(run) == []
        assert 1 < time.monotonic() - begun < 30
    timer.join()
    deadline = time.monotonic() + 20
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not set(threading.enumerate()) - before
