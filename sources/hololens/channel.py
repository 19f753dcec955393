"""Channel: one TCP connection to a device, in which nobody waits longer than was said."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from contracts.errors import SourceError

_ASLEEP = "wake the HoloLens up, and see that it and this computer are in the same network"
_REFUSED = "start the hl2ss app on the HoloLens and leave it in front"
_CLOSED = "leave the hl2ss app in front; another program may have taken its place"
_SILENT = f"{_ASLEEP}; it serves one program at a time: end the other one"
_LOOK_S = 0.1
"""Between two looks whether somebody still waits."""
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)


class Channel:
    """Connects. open_s: seconds for that. read_s: for one wish or answer from its first to its last byte.

    stopped: asked often; once it says so, waiting ends. For one thread. Raises SourceError.
    """

    def __init__(
        self, host: str, port: int, *, open_s: float, read_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._name, self._read_s, self._stopped = f"{host}, port {port}", read_s, stopped
        try:
            self._socket = self._connected(host, port, open_s)
        except socket.gaierror as fault:
            raise SourceError(f"there is no host {host!r}", "check its name, or write its address") from fault
        except ConnectionRefusedError as fault:
            raise SourceError(f"{self._name}: nobody listens", _REFUSED) from fault
        except (OSError, UnicodeError) as fault:  # UnicodeError: a name that cannot be one
            raise SourceError(f"{self._name} cannot be reached: {_reason(fault)}", _ASLEEP) from fault

    def send(self, message: bytes) -> None:
        """Sends a wish. Raises SourceError."""
        try:
            self._socket.settimeout(self._read_s)
            self._socket.sendall(message)
        except OSError as fault:
            raise self._broken(fault) from fault

    def read(self, size: int) -> bytearray:
        """Exactly ``size`` bytes. Raises SourceError."""
        data, got = bytearray(size), 0
        deadline = time.monotonic() + self._read_s
        with memoryview(data) as view:
            while got < size:
                got += self._received(view[got:], deadline)
        return data

    def _received(self, view: memoryview, deadline: float) -> int:
        """How many bytes came, perhaps none yet."""
        try:
            self._socket.settimeout(_LOOK_S)
            count = self._socket.recv_into(view)
        except TimeoutError:
            count = None
        except OSError as fault:
            raise self._broken(fault) from fault
        if self._stopped():
            raise SourceError(f"{self._name} was closed")
        if count == 0:
            raise SourceError(f"{self._name} closed the connection", _CLOSED)
        if time.monotonic() > deadline:
            raise SourceError(f"{self._name} has sent nothing, or too little, for {self._read_s:g} s", _SILENT)
        return count or 0

    def _connected(self, host: str, port: int, open_s: float) -> socket.socket:
        """The first address that answers; a connection in the making is looked at often. Raises OSError."""
        deadline = time.monotonic() + open_s
        fault: OSError = OSError("it has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            made = socket.socket(family, kind, protocol)
            try:
                self._finish_connecting(made, address, deadline)
            except OSError as refused:
                made.close()
                fault = refused
            else:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
        raise fault

    def _finish_connecting(self, made: socket.socket, address: Any, deadline: float) -> None:
        made.setblocking(False)
        number = made.connect_ex(address)
        with selectors.DefaultSelector() as selector:
            selector.register(made, selectors.EVENT_WRITE)
            while number in _UNDER_WAY and not selector.select(_LOOK_S):
                if self._stopped() or time.monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "no answer")
        number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if number in _UNDER_WAY else number
        if number:
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _broken(self, fault: OSError) -> SourceError:
        return SourceError(f"the connection to {self._name} broke: {_reason(fault)}", _ASLEEP)


def _reason(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or str(fault)
