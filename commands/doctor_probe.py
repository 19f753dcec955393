"""Questions that may hang, crash or print: each is asked in a process of its own, with a deadline.

Importing a broken package or a package of a broken driver can do anything; nothing of it reaches this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from commands.doctor_finding import one_line
from contracts.errors import OutputError

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from commands.doctor_trials import main; "
    "main(*sys.argv[2:])"
)
_SIDE_BY_SIDE = 4  # processes at a time: more would only make each other late
_KILLED_S = 1.0  # seconds for a killed process to go; one stuck in a driver never does, and is left behind
_MODULE = re.compile(r"^(?:contracts\.errors\.)\w+: ")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process told: facts as far as it came, its output, and why it did not come to its end ("": it did).

    late: it was not done by its deadline, which on a very busy machine says nothing about what was asked.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    fault: str = ""
    late: bool = False


class Probes:
    """Asks questions in processes of their own; leaving the ``with`` ends what still runs and removes its traces.

    May be used by several threads. Raises OutputError where there is no place for temporary files.
    """

    def __init__(self) -> None:
        try:
            self._folder = TemporaryDirectory(prefix="roadstream-doctor-", ignore_cleanup_errors=True)
        except OSError as fault:
            cure = "free some space, or name another folder in TMPDIR"
            raise OutputError(f"no folder for temporary files: {fault.strerror}", cure) from fault
        self._lock = threading.Lock()
        self._places = threading.Semaphore(_SIDE_BY_SIDE)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._asked = 0
        self._left = False

    def __enter__(self) -> Probes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._left = True
            running = list(self._running)
        for process in running:
            _kill(process)
        self._folder.cleanup()

    def ask(self, trial: str, *words: str, deadline_s: float) -> Answer:
        """Run one function of ``commands.doctor_trials`` in another Python that finds the same packages as this one."""
        return self._run([sys.executable, "-c", _BEGIN, json.dumps(sys.path)], [trial, *words], deadline_s)

    def call(self, command: Sequence[str], *, deadline_s: float) -> Answer:
        """Run a program; what it prints is the answer's text."""
        return self._run(command, None, deadline_s)

    def _run(self, command: Sequence[str], trial: Sequence[str] | None, deadline_s: float) -> Answer:
        with self._places:
            return self._run_now(command, trial, deadline_s)

    def _run_now(self, command: Sequence[str], trial: Sequence[str] | None, deadline_s: float) -> Answer:
        with self._lock:  # nothing is begun behind the back of the one who leaves
            if self._left:
                return Answer(fault="not asked any more")
            self._asked += 1
            folder = Path(self._folder.name) / str(self._asked)
            told, said = folder / "told.json", folder / "said"
            words = [*command, str(told), *trial] if trial is not None else list(command)
            try:
                folder.mkdir()
                process = _start(words, folder, said)
            except OSError as fault:
                return Answer(fault=f"cannot be started: {fault.strerror}")
            self._running.add(process)
        try:
            process.wait(deadline_s)
            late = False
        except subprocess.TimeoutExpired:
            _kill(process)
            late = True
        with self._lock:
            self._running.discard(process)
        text = said.read_text(encoding="utf-8", errors="replace")
        why = f"no answer within {deadline_s:g} s" if late else _fault(process.returncode, text, told, trial)
        return Answer(_facts(told), text, why, late)


def _start(words: Sequence[str], folder: Path, said: Path) -> subprocess.Popen[bytes]:
    """A process that keeps its caches in ``folder``: nothing of a doctor's visit stays. Raises OSError."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with said.open("wb") as sink:
        return subprocess.Popen(  # noqa: S603  # this Python, or a program by its full path
            words,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_KILLED_S)


def _fault(code: int, text: str, told: Path, trial: Sequence[str] | None) -> str:
    """Why a process did not do what it was asked: the last line it said, as Python ends with the error's."""
    if code == 0:
        return "" if trial is None or told.exists() else "it ended the program without a word"
    if code < 0:
        return f"crashed ({signal.strsignal(-code) or f'signal {-code}'})"
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(_MODULE.sub("", lines[-1])) if lines else f"ended with exit code {code}"


def _facts(told: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(told.read_bytes())
    except (OSError, ValueError):  # it never came to tell, or was killed while it did
        return {}
    return facts
