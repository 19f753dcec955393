"""A stream that is lost a thousand times: it comes again each time, and nothing is left of those before."""

from __future__ import annotations

import gc
import threading
import time

import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from contracts import backoff
from contracts.live import Patience
from sources.open import open_source
from tests.support.rtsp_server import Mount, rtsp_server

_MIB = 1 << 20
_MOST_MIB = 40
"""Allocators keep some of what was freed."""


def test_memory_threads_and_handles_are_flat(reconnects: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_MOST_S", 0.5)  # a stream lost every second is waited for longer and longer
    process, marks = psutil.Process(), []
    with rtsp_server(Mount(width=640, height=360)) as server:
        source = open_source(server.url(), patience=Patience(reconnect=None))
        connection, begun = 0, time.monotonic()
        for frame in source.frames():
            if frame.connection == connection:
                connection += 1
                if connection % max(reconnects // 20, 1) == 0:
                    gc.collect()
                    mark = (process.memory_info().rss / _MIB, threading.active_count(), process.num_fds())
                    marks.append(mark)
                    print(
                        f"\n{connection} after {time.monotonic() - begun:.0f} s: {mark[0]:.0f} MiB, {mark[1:]}", end=""
                    )
                if connection > reconnects:
                    break
                server.cut()
        source.close()
    assert source.losses.reconnects >= reconnects
    early, late = marks[len(marks) // 4], marks[-1]
    assert late[0] - early[0] < _MOST_MIB
    assert late[1] <= early[1] + 1
    assert late[2] <= early[2] + 4
