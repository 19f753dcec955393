"""TCP to a device, in which nobody waits longer than was said, nor after nobody wants anything any more."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from contracts.text import reason_of
from sources.live.connection import Again, Fault
from sources.live.waiting import LOOK_S, Waits

ASLEEP = "wake the HoloLens up, and see that it and this computer are in the same network"
_REFUSED = "start the hl2ss app on the HoloLens and leave it in front"
_CLOSED = "leave the hl2ss app in front; another program may have taken its place"
_SILENT = f"{ASLEEP}; it serves one program at a time: end the other one"


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
        try:
            self._socket = Waits(open_s, stopped).connect(host, port)
        except (OSError, UnicodeError) as fault:
            raise _unreached(host, self._name, fault) from fault

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
            raise Fault(f"{self._name} has sent nothing, or too little, in time", _SILENT)
        return count or 0

    def _broken(self, fault: OSError) -> Fault:
        if isinstance(fault, ConnectionResetError | BrokenPipeError):
            return HungUp(f"{self._name} closed the connection", _CLOSED)
        return Fault(f"the connection to {self._name} broke: {reason_of(fault)}", ASLEEP)


def _unreached(host: str, name: str, fault: Exception) -> Fault:
    if isinstance(fault, UnicodeError):
        return Fault(f"{host!r} is no name of a host", "write the device's address", again="never")
    if isinstance(fault, socket.gaierror):
        again: Again = "always" if fault.errno == socket.EAI_AGAIN else "once live"
        cure = "check its name and the network, or write its address"
        return Fault(f"no address is known for {host!r}: {reason_of(fault)}", cure, again=again)
    if isinstance(fault, ConnectionRefusedError):
        return Fault(f"{name}: nobody listens", _REFUSED)
    return Fault(f"{name} cannot be reached: {reason_of(fault)}", ASLEEP)
