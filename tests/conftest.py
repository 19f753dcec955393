"""What every test may use."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import settings

from contracts import secrets
from tests.support.screen import Screen, screen
from tests.support.waiting import left_behind

ROOT = Path(__file__).resolve().parent.parent
_WORKER_BYTES = 4 << 30  # torch, both runtimes and a program under test

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips", action="store_true", help="a skipped test is a failure (for machines with everything)"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With --no-skips turn a skip into a failure that says what was missing.

    Not where a test says by ``skipif`` which machines it is for (a CPU without bf16, say): its twin runs there.
    """
    report = yield
    if report.skipped and item.config.getoption("--no-skips") and not item.get_closest_marker("skipif"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """``-n auto``: a worker per core that this process may use, as far as memory allows; on one core none.

    Eight at most: the programs under test take all cores for themselves.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, psutil.virtual_memory().total // _WORKER_BYTES, 8)
    return int(workers) if workers > 1 else 0


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """What a worker tells has to be UTF-8; what odd file names leave in captured output is not."""
    report = yield
    told: dict[str, Any] | None = _utf8(report)
    return told


def _utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_utf8(key): _utf8(part) for key, part in value.items()}
    return type(value)(map(_utf8, value)) if isinstance(value, list | tuple) else value


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where a shell has started the tests in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test has started is over as soon as the test is."""
    before = set(threading.enumerate())
    yield
    assert [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()] == []


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    """What nobody waits for, readers and timers, ends all the same."""
    before = set(threading.enumerate())
    yield
    assert left_behind(before, 30) == []


@pytest.fixture
def no_file_is_left() -> Iterator[None]:
    """As many files and sockets are open behind a test as before it."""
    before = _open_files()
    yield
    assert _open_files() <= before


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """A screen of the module's own."""
    with screen(tmp_path_factory.mktemp("display")) as found:
        yield found


@pytest.fixture(autouse=True)
def _log_of_a_program_ends_with_it() -> Iterator[None]:
    """A command that a test ran in this process leaves a handler on the root logger, and with it a closed stderr."""
    yield
    for handler in [each for each in logging.getLogger().handlers if type(each).__name__ == "_LinesBeside"]:
        logging.getLogger().removeHandler(handler)
    logging.raiseExceptions = True


@pytest.fixture(autouse=True)
def _secrets_of_a_test_are_its_own() -> Iterator[None]:
    """A process learns passwords for good; a test's "clip" would go from the messages of all later ones."""
    known, pattern = set(secrets._known), secrets._pattern
    yield
    secrets._known.clear()
    secrets._known.update(known)
    secrets._pattern = pattern


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's shared material (clips, weights); the test is skipped with the reason where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "clips").is_dir():
        pytest.skip("the shared material (clips, weights) does not lie beside the project")
    return folder
