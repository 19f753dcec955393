"""Link: one connection to a media server, from the run's side; the process behind it is ``outputs/push_process.py``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import av

from outputs.push_process import CONNECT_S, END_S, SEND_S
from outputs.push_wire import Order, Word, packed

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from outputs.push_process import main; sys.exit(main())"
)
_MORE_S = 1.0  # for the process itself to come and go, beside what it waits for


class LinkLost(Exception):  # noqa: N818  # what happens to links; whether it is an error depends on what was before
    """The connection is gone, or never was. status: the number the server answered with, 0 where it gave none.

    cure: where trying again is none.
    """

    def __init__(self, reason: str, status: int = 0, cure: str = "") -> None:
        super().__init__(reason)
        self.reason, self.status, self.cure = reason, status, cure


class Link:
    """Starts its process at once, so that it is ready when the first picture is; raises OSError where it cannot.

    One thread sends; ``kill`` may come from any.
    """

    def __init__(self) -> None:
        self._live = False
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and code)
            [sys.executable, "-c", _BEGIN, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # FFmpeg's lines may name passwords
            start_new_session=True,  # Ctrl-C is for the run, which then says goodbye
        )

    def introduce(self, order: Order) -> None:
        """What comes, and where to; before the first packet. Raises LinkLost."""
        self._write(order.line())

    def send(self, packet: av.Packet[Any]) -> None:
        """The first one: returns when the server has taken it; then: waits while the network is slower than the stream.

        Raises LinkLost.
        """
        self._write(packed(packet))
        if not self._live:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()  # ends in time: the process has an alarm
            if not line or Word.of(line).kind != "live":
                raise self._lost(line)
            self._live = True

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            raise self._lost(self._process.stdout.readline()) from None

    def _lost(self, line: bytes) -> LinkLost:
        """Why, from the last thing the process said, else from how it ended."""
        if line and (word := Word.of(line)).kind == "failed":
            return LinkLost(word.text, word.status, word.cure)
        code = self._ended()
        if code == -getattr(signal, "SIGALRM", 0):
            return LinkLost(f"it took nothing for {SEND_S:g} s" if self._live else f"no answer in {CONNECT_S:g} s")
        return LinkLost(f"the process of the connection ended with exit code {code}")

    def end(self) -> None:
        """Sends what is on its way, says goodbye and frees everything, in a few seconds whatever the server does."""
        self._close_pipe()
        self._ended()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ended(self) -> int | None:
        """Its exit code; None where even killing does not end it."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_S + _MORE_S)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_MORE_S)
        return None

    def _close_pipe(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone, and what was still to be written with it
            self._process.stdin.close()

    def kill(self) -> None:
        """Ends it at once: whoever waits for it gets LinkLost."""
        self._process.kill()
