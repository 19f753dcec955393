"""A window with the annotated pictures, in a process of its own (``outputs/window_process.py``).

Libraries with windows want the main thread (macOS), end the process where the display goes away (X11) and may hang
with it. There they can hurt nothing but the window: the run goes on without it and says so.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec

from contracts.control import Control
from contracts.errors import OutputError, UsageError
from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result
from outputs.frame_folder import frame_name
from outputs.window_wire import PictureMemory, Word

log = logging.getLogger(__name__)

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from outputs.window_process import main; "
    "sys.exit(main(*sys.argv[2:]))"
)
_START_S = 30.0  # for the process to load its libraries and the display to answer
_END_S = 3.0  # for the process to go by itself, and once more where it had to be killed
_LOOK_S = 0.2
_CURE_DISPLAY = "log in at the screen, or use ssh -X; without a screen: --save or --pictures"

LIBRARY = "pygame-ce"
"""The package that gives ``pygame``: SDL, for the window."""


def check_window() -> None:
    """Fails where there could be no window: UsageError without the library, OutputError without a display."""
    if sys.platform == "win32":
        raise UsageError("show: there is no window on Windows yet", "use --save, or WSL")
    if not _library_there():
        raise UsageError(
            f"show: the package {LIBRARY!r} is not installed", 'pip install "roadstream[show]", or use --save'
        )
    if display() is None:
        raise OutputError(
            "show: no window without a display: neither DISPLAY nor WAYLAND_DISPLAY is set", _CURE_DISPLAY
        )


def _library_there() -> bool:
    """Whether it is installed; it is not loaded here."""
    try:
        return find_spec("pygame") is not None
    except (ImportError, ValueError):  # somebody forbids it
        return False


def display(environment: Mapping[str, str] = os.environ) -> str | None:
    """Where a window would be shown, as ``DISPLAY=:0``; None: nowhere."""
    if sys.platform in ("darwin", "win32"):
        return "this system's own"
    named = (name for name in ("DISPLAY", "WAYLAND_DISPLAY") if environment.get(name))
    return next((f"{name}={environment[name]}" for name in named), None)


class WindowOutput:
    """Shows the newest picture as soon as the window takes it; never waits for the window.

    control: the run's. live: whether the run drops frames; a pause then stops the picture only, and a picture that
    stands still says so. size: of annotated pictures, where it is not the frame's.
    """

    name = "window"
    wants_drawn = True

    def __init__(self, control: Control, *, live: bool = False, size: tuple[int, int] | None = None) -> None:
        self._control, self._live, self._size = control, live, size
        self._memory: PictureMemory | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._begun = threading.Event()
        self._failure: str | None = None
        self._newest: tuple[Picture, tuple[int, int], str] | None = None
        self._lock = threading.Lock()  # of the memory, the newest picture and the way to the window
        self._over = False  # nothing more is shown, and nobody is surprised

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Opens the window. Raises UsageError, OutputError."""
        check_window()
        source = sources[0]
        self._live = self._live or source.live
        size = map(str, self._size or (source.width, source.height))
        try:
            self._memory = PictureMemory()
            memory = str(self._memory.descriptor)
            live = "live" if self._live else ""
            command = [sys.executable, "-c", _BEGIN, json.dumps(sys.path), memory, *size, source.id, live]
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and code)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if log.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL,
                pass_fds=[self._memory.descriptor],
                start_new_session=True,  # Ctrl-C is for the run, which then closes its window
            )
        except OSError as fault:
            raise OutputError(
                f"cannot start the process of the window: {fault.strerror}", "free some memory"
            ) from fault
        self._listener = threading.Thread(target=self._listen, name="roadstream-window-keys", daemon=True)
        self._listener.start()
        self._wait_for_the_beginning()

    def _wait_for_the_beginning(self) -> None:
        deadline = time.monotonic() + _START_S
        while not self._begun.wait(_LOOK_S):
            if time.monotonic() > deadline:
                self._failure = f"no answer within {_START_S:.0f} s"
                break
        if self._failure is not None:
            raise OutputError(f"show: no window comes up on {display()} ({self._failure})", _CURE_DISPLAY)

    def write(self, result: Result) -> None:
        """Hands the picture to the window, as soon as that has room for it; a newer one takes its place."""
        picture = result.frame.picture
        seen, drawn = self._size or (picture.width, picture.height), result.drawn()
        with self._lock:
            self._newest = (drawn, seen, frame_name(result.frame))
            self._send()

    def _send(self) -> None:
        """The newest picture, if there is room for it; under the lock."""
        if self._over:
            self._newest = None
        if self._newest is None:
            return
        assert self._memory is not None
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            shown = self._memory.put(*self._newest)
        except OSError as fault:
            log.warning("the window gets no more pictures (%s); the run goes on without it", fault.strerror)
            self._over, self._newest = True, None
            return
        if shown is not None:
            self._newest = None
            with suppress(OSError):  # the window has gone: the listener hears it too
                self._process.stdin.write(shown.line())
                self._process.stdin.flush()

    def _listen(self) -> None:
        """What the window says, until it is gone; in a thread of its own."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                word = Word.of(line)
            except (ValueError, TypeError):  # printed by what a Python brings along at its start
                log.debug("the process of the window printed %r", line)
                continue
            self._hear(word)
        code = self._process.wait()
        if not self._begun.is_set():
            self._failure = f"its process ended with exit code {code}"
        elif not self._over:
            log.warning("the window has gone (its process ended with exit code %d); the run goes on without it", code)
        self._over = True
        self._control.resume()
        self._begun.set()

    def _hear(self, word: Word) -> None:
        match word.kind:
            case "free":
                with self._lock:
                    if self._memory is not None:
                        self._memory.give_back(word.offset)
                        self._send()
            case "paused" if not self._live:
                self._control.pause()
            case "going":
                self._control.resume()
            case "quit":
                self._over = True
                self._control.stop()
            case "saved":
                log.warning("saved %s", word.text, extra={"asked": True})  # to be seen, and no fault of the run
            case "unsaved":
                log.warning("the picture was not saved: %s", word.text)
            case "ready":
                self._begun.set()
            case "failed":
                self._failure, self._over = word.text, True
                self._begun.set()

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the window goes)
        """Closes the window; one that does not go by itself is ended."""
        self._over = True
        if self._process is not None:
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()  # the window's sign to go
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._kill(self._process)
            if self._listener is not None:
                self._listener.join(_END_S)
            assert self._process.stdout is not None
            if self._listener is None or not self._listener.is_alive():  # else closing would wait for its read
                self._process.stdout.close()
        with self._lock:
            if self._memory is not None:
                self._memory.close()
            self._memory, self._newest = None, None

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:  # it is inside the kernel, in a driver say
            log.warning("the process %d of the window does not end", process.pid)
