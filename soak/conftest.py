"""Options of the soak: ``make soak`` takes half an hour, ``pytest soak --minutes 1`` a few minutes."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=5.0, help="how long each stream is watched (5)")
    parser.addoption("--reconnects", type=int, default=1000, help="how often the server is killed (1000)")


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--minutes"))


@pytest.fixture
def reconnects(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--reconnects"))
