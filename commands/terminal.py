"""What every command does the same way: one line for an error, the right exit code, Ctrl-C, logging."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from commands import status
from contracts.errors import EXIT_INTERRUPTED, OutputError, RoadStreamError
from contracts.secrets import Redacting, redact
from contracts.text import one_line

_LAST_WORDS_S = 0.5  # for what is said on the way out
_ONE_WISH_S = 0.5  # signals so soon one after the other are one wish: timeout(1) signals its child and then its group


def guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; a person's mistake becomes one line on stderr and its exit code, never a traceback."""
    debug = "--debug" in arguments
    if sys.stderr is None:  # started with it closed, by a service manager say
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open for as long as the program
    _log_to_stderr(debug=debug)
    try:
        with _interrupts():
            return command(arguments)
    except RoadStreamError as error:
        if debug:
            logging.getLogger(__name__).debug("where it came from", exc_info=error)
        say(f"roadstream: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("roadstream: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `roadstream … | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def answer(text: str) -> None:
    """Print what a command exists to print, on stdout; raises OutputError where that cannot be written."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as fault:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter tries again at its end
        raise OutputError(f"cannot write to stdout: {fault.strerror}", "free some space") from fault


def say(text: str) -> None:
    """Print a line for people on stderr; a closed terminal is no reason to stop."""
    with contextlib.suppress(OSError, ValueError), status.aside():
        print(redact(text), file=sys.stderr, flush=True)


class _LinesBeside(logging.StreamHandler[TextIO]):
    """The log on stderr, its lines beside the status line and not in it."""

    def emit(self, record: logging.LogRecord) -> None:
        with status.aside():
            super().emit(record)


@contextmanager
def _interrupts() -> Iterator[None]:
    """First Ctrl-C (SIGTERM, closed terminal): an orderly end through KeyboardInterrupt. Second: leave at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked_s: float | None = None

    def handler(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_s
        now_s = time.monotonic()
        if asked_s is not None:
            if now_s - asked_s < _ONE_WISH_S:
                return
            words = "roadstream: left at once; what was recorded is in the .part files"
            last = threading.Thread(target=say, args=(words,), daemon=True)  # a stopped terminal takes no words
            last.start()
            last.join(_LAST_WORDS_S)
            os._exit(EXIT_INTERRUPTED)
        asked_s = now_s
        raise KeyboardInterrupt

    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _log_to_stderr(*, debug: bool) -> None:
    """Warnings as one line each; with --debug everything of ours, with where it came from."""
    layout = "%(asctime)s %(threadName)s %(name)s %(levelname)s %(message)s" if debug else "roadstream: %(message)s"
    handler = _LinesBeside(sys.stderr)
    handler.addFilter(Redacting())
    handler.setFormatter(logging.Formatter(layout) if debug else _OneLine(layout))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.raiseExceptions = (
        False  # a stderr that is gone: logging's own complaint repeats what it is handling, secrets too
    )
    for room in ("contracts", "sources", "engines", "outputs", "pipeline", "commands", "training"):
        logging.getLogger(room).setLevel(logging.DEBUG if debug else logging.WARNING)


class _OneLine(logging.Formatter):
    """A message as one line, whatever names it holds."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))
