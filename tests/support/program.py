"""The program as a person starts it: a fresh process, its exit code and what it printed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str


def command(*words: str | Path) -> list[str]:
    """The command line of run_stream.py with these words; warnings are errors there too."""
    return [sys.executable, "-W", "error", str(ROOT / "run_stream.py"), *map(str, words)]


def run_stream(*words: str | Path, cwd: Path | None = None, timeout: float = 120) -> Finished:
    """Run to the end."""
    done = subprocess.run(command(*words), capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)
