"""TCP to a device, in which nobody waits longer than was said, nor after nobody wants anything any more."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from sources.live.connection import Again, Fault

ASLEEP = "wake the HoloLens up, and see that it and this computer are in the same network"
LOOK_S = 0.1
"""Between two looks whether somebody still waits."""
_REFUSED = "start the hl2ss app on the HoloLens and leave it in front"
_CLOSED = "leave the hl2ss app in front; another program may have taken its place"
_SILENT = f"{ASLEEP}; it serves one program at a time: end the other one"
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)


class HungUp(Fault):
    """The other side closed the connection."""


class Channel:
    """Connects to a port of hl2ss. open_s: seconds for that.

    read_s: for one wish or answer, from its first to its last byte; may be changed. stopped: asked often; once it says
    so, waiting ends. For one thread. Raises Fault.
    """

    def __init__(
        self, host: str, port: int, *, open_s: float, read_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._name, self._stopped, self.read_s = f"{host}, port {port}", stopped, read_s
        self._socket = connected(host, port, open_s=open_s, stopped=stopped, refused=_REFUSED)

    def send(self, message: bytes) -> None:
        """Sends a wish. Raises Fault."""
        try:
            self._socket.settimeout(self.read_s)
            self._socket.sendall(message)
        except OSError as fault:
            raise self._broken(fault) from fault

    def read(self, size: int) -> bytearray:
        """Exactly ``size`` bytes. Raises Fault."""
        data, got = bytearray(size), 0
        deadline = time.monotonic() + self.read_s
        with memoryview(data) as view:
            while got < size:
                got += self._received(view[got:], deadline)
        return data

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _received(self, view: memoryview, deadline: float) -> int:
        """How many bytes came, perhaps none yet."""
        count: int | None = None
        try:
            self._socket.settimeout(LOOK_S)
            count = self._socket.recv_into(view)
        except TimeoutError:
            pass
        except OSError as fault:
            raise self._broken(fault) from fault
        if self._stopped():
            raise Fault(f"{self._name} was closed")
        if count == 0:
            raise HungUp(f"{self._name} closed the connection", _CLOSED)
        if time.monotonic() > deadline:
            raise Fault(f"{self._name} has sent nothing, or too little, for {self.read_s:.3g} s", _SILENT)
        return count or 0

    def _broken(self, fault: OSError) -> Fault:
        if isinstance(fault, ConnectionResetError | BrokenPipeError):
            return HungUp(f"{self._name} closed the connection", _CLOSED)
        return Fault(f"the connection to {self._name} broke: {reason(fault)}", ASLEEP)


def connected(host: str, port: int, *, open_s: float, stopped: Callable[[], bool], refused: str) -> socket.socket:
    """A socket that is connected to the first address that answers. refused: the cure where nobody listens.

    Raises Fault.
    """
    deadline, name = time.monotonic() + open_s, f"{host}, port {port}"
    fault = OSError("it has no address")
    for family, address in _addresses(host, port):
        try:
            return _connect(family, address, lambda: stopped() or time.monotonic() > deadline)
        except OSError as other:
            fault = other
    if isinstance(fault, ConnectionRefusedError):
        raise Fault(f"{name}: nobody listens", refused) from fault
    raise Fault(f"{name} cannot be reached: {reason(fault)}", ASLEEP) from fault


def sooner(limit_s: float) -> float:
    """A little before a time limit: then we say what is missing, else whoever waits says that there is nothing."""
    return limit_s - min(1.0, limit_s / 2)


def reason(fault: Exception) -> str:
    """What the system says of it."""
    return getattr(fault, "strerror", None) or str(fault)


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Family and address of each. Raises Fault."""
    try:
        return [(found[0], found[4]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except socket.gaierror as fault:
        again: Again = "always" if fault.errno == socket.EAI_AGAIN else "once live"
        cure = "check its name and the network, or write its address"
        raise Fault(f"no address is known for {host!r}: {reason(fault)}", cure, again=again) from fault
    except UnicodeError as fault:
        raise Fault(f"{host!r} is no name of a host", "write the device's address", again="never") from fault


def _connect(family: int, address: Any, gives_up: Callable[[], bool]) -> socket.socket:
    """Looks often whether it should go on. Raises OSError."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        number = made.connect_ex(address)
        if number in _UNDER_WAY:
            with selectors.DefaultSelector() as selector:
                selector.register(made, selectors.EVENT_WRITE)
                while not selector.select(LOOK_S):
                    if gives_up():
                        raise TimeoutError(errno.ETIMEDOUT, "no answer")
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        made.close()
        raise
    return made
