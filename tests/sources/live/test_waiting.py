"""Waits for sockets: how the time there is is shared."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from sources.live.waiting import Waits


class Silent(Waits):
    """Keeps how long each address would have been waited for."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.shares_s: list[float] = []

    def _connect(self, family: int, address: Any, deadline: float) -> socket.socket:
        self.shares_s.append(deadline - time.monotonic())
        raise TimeoutError


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0))] * 4
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    waits = Silent(10_000)
    with pytest.raises(TimeoutError):
        waits.connect("camera", 80)
    assert waits.shares_s == pytest.approx([10_000 / 4, 10_000 / 3, 10_000 / 2, 10_000], rel=0.05)
