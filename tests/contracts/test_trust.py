"""Whom a TLS connection is made to."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from contracts.trust import greet
from tests.support.certificates import self_signed


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def connect(_: tuple[str, int], limit_s: float) -> Any:
        asked.append(limit_s)
        raise TimeoutError

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))] * 4
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TimeoutError):
        greet("server", 443, str(self_signed(tmp_path).cert), 10)
    assert asked == [2.5]
