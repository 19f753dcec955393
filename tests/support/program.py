"""The program as a person starts it: a fresh process, its exit code and what it printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from run_stream import main

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The program on its way; an endless run is ended also where its test fails."""
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str


def command(*words: str | Path) -> list[str]:
    """The command line of run_stream.py with these words; warnings are errors there too."""
    return [sys.executable, "-W", "error", str(ROOT / "run_stream.py"), *map(str, words)]


def run_stream(*words: str | Path, timeout: float = 120, environment: Mapping[str, str] | None = None) -> Finished:
    """Run to the end."""
    done = subprocess.run(
        command(*words), capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def run_here(capture: pytest.CaptureFixture[str], *words: str | Path) -> Finished:
    """The same inside the test's own process, for what is refused before it has begun. capture: ``capfd``."""
    capture.readouterr()
    code = main([str(word) for word in words])
    return Finished(code, *capture.readouterr())
