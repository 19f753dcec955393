"""Waits: sockets waited for in short turns, so that nobody waits longer than was said, nor after nobody wants it."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

LOOK_S = 0.1
"""Between two looks whether somebody still waits."""
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)
_Found = TypeVar("_Found")


def sooner(limit_s: float) -> float:
    """A little before a time limit: then we say what is missing, else whoever waits says that there is nothing."""
    return limit_s - min(1.0, limit_s / 2)


class Waits:
    """limit_s: seconds of each wait; may be changed. stopped: asked often; once it says so, waiting ends."""

    def __init__(self, limit_s: float, stopped: Callable[[], bool] = lambda: False) -> None:
        self.limit_s, self.stopped = limit_s, stopped

    def connect(self, host: str, port: int) -> socket.socket:
        """A socket that is connected to the first address that answers, all of them within the limit.

        None has more than its share of what is left: a network often knows of one and leads to the other only. Raises
        OSError, and UnicodeError for what is no name of a host.
        """
        deadline = time.monotonic() + self.limit_s
        fault = OSError("it has no address")
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for place, (family, _, _, _, address) in enumerate(addresses):
            now = time.monotonic()
            try:
                return self._connect(family, address, now + (deadline - now) / (len(addresses) - place))
            except OSError as other:
                fault = other
        raise fault

    def act(self, connection: socket.socket, act: Callable[[], _Found]) -> _Found:
        """What ``act`` gives once it does not have to wait any more. Raises OSError."""
        deadline = time.monotonic() + self.limit_s
        connection.settimeout(LOOK_S)
        try:
            while True:
                self._check(deadline)
                try:
                    return act()
                except TimeoutError:
                    continue
        finally:
            connection.settimeout(self.limit_s)

    def _check(self, deadline: float) -> None:
        if self.stopped() or time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "no answer")

    def _connect(self, family: int, address: Any, deadline: float) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            number = made.connect_ex(address)
            if number in _UNDER_WAY:
                with selectors.DefaultSelector() as selector:
                    selector.register(made, selectors.EVENT_WRITE)
                    while not selector.select(LOOK_S):
                        self._check(deadline)
                number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(self.limit_s)
        except OSError:
            made.close()
            raise
        return made
