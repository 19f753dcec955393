"""PortalBody: the answer of a Device Portal as a file that FFmpeg reads, over TLS with a certificate that is known.

FFmpeg's own HTTPS cannot compare a certificate with a remembered one, and its errors repeat the password.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, cast

from sources.hololens.address import PortalAddress
from sources.hololens.certificates import Pin
from sources.hololens.channel import ASLEEP, LOOK_S, connected, reason
from sources.live.connection import Again, Fault

_REFUSED = "switch on Device Portal in the HoloLens's settings: Update & Security, For developers"
_LOGIN = "they are those that were set in the Device Portal; write what is special in them as %XX (@ is %40, # is %23)"
_NO_VIDEO = "is it a HoloLens 2? Open its address in a browser: Views, Mixed Reality Capture"
_BUSY = "end other programs that show its live preview, or start the HoloLens anew"


class PortalBody:
    """Opens the video. open_s: seconds to the answer's head. read_s: between two pieces of it, afterwards.

    stopped: asked often; once it says so, waiting ends. For one thread. Raises Fault.
    """

    def __init__(
        self, address: PortalAddress, pin: Pin, *, open_s: float, read_s: float, stopped: Callable[[], bool]
    ) -> None:
        self._name = f"the Device Portal at {address.host}"
        self.fault: Fault | None = None
        """What went wrong while reading: FFmpeg calls again after an exception, which PyAV prints."""
        deadline = time.monotonic() + open_s
        plain = connected(address.host, address.port, open_s=open_s, stopped=stopped, refused=_REFUSED)
        self._wire = _Wire(plain, self._name, deadline, stopped)
        try:
            pin.check(self._wire.greet())
            self._wire.send(_request(address))
            self._answer = self._begin()
        except BaseException:
            self._wire.close()
            raise
        self._wire.limit_s = read_s

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, as soon as there are some; none at the end, or where there is a ``fault``."""
        if self.fault is not None:
            return b""
        self._wire.piece_begins()
        try:
            return self._answer.read1(size)
        except Fault as fault:
            self.fault = fault
        except (http.client.HTTPException, ValueError) as cut:  # in the middle of a chunk; no chunk
            self.fault = Fault(f"{self._name} broke off its answer", ASLEEP)
            self.fault.__cause__ = cut
        return b""

    def close(self) -> None:
        """Hangs up."""
        self._wire.close()

    def _begin(self) -> http.client.HTTPResponse:
        answer = http.client.HTTPResponse(cast("socket.socket", self._wire), method="GET")
        try:
            answer.begin()
        except (http.client.HTTPException, ValueError) as fault:
            raise Fault(f"{self._name} answers what is no HTTP", _NO_VIDEO, again="once live") from fault
        if answer.status != http.client.OK:
            raise _refusal(self._name, answer.status)
        return answer


class _Wire(io.RawIOBase):
    """The bytes of a TLS connection, read in short waits. limit_s: seconds to the next ones, once it is set."""

    def __init__(self, plain: socket.socket, name: str, deadline: float, stopped: Callable[[], bool]) -> None:
        super().__init__()
        self._name, self._deadline, self._stopped = name, deadline, stopped
        self.limit_s: float | None = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate itself is compared, which says more
        context.verify_mode = ssl.CERT_NONE
        try:
            self._socket = context.wrap_socket(plain, do_handshake_on_connect=False)
        except OSError as fault:  # gone again already
            plain.close()
            raise Fault(f"the connection to {self._name} broke: {reason(fault)}", ASLEEP) from fault
        self._socket.settimeout(LOOK_S)

    def greet(self) -> bytes:
        """The handshake; the certificate of the other side, DER. Raises Fault."""
        self._waited_for(self._socket.do_handshake)
        return self._socket.getpeercert(binary_form=True) or b""

    def send(self, message: bytes) -> None:
        """Raises Fault."""
        try:
            self._socket.settimeout(max(self._deadline - time.monotonic(), LOOK_S))
            self._socket.sendall(message)  # once: half a message cannot be sent again
            self._socket.settimeout(LOOK_S)
        except OSError as fault:
            raise Fault(f"the connection to {self._name} broke: {reason(fault)}", ASLEEP) from fault

    def piece_begins(self) -> None:
        """From here on the time limit counts."""
        if self.limit_s is not None:
            self._deadline = time.monotonic() + self.limit_s

    def makefile(self, *_: object) -> io.BufferedReader:
        """What ``http.client`` asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As soon as there is something; 0 at the end. Raises Fault."""
        return int(self._waited_for(lambda: self._socket.recv_into(buffer)))

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()
        super().close()

    def _waited_for(self, act: Callable[[], Any]) -> Any:
        while not self._stopped():
            if time.monotonic() > self._deadline:
                raise Fault(f"{self._name} does not answer, or not in time", ASLEEP)
            try:
                return act()
            except TimeoutError:
                continue
            except ssl.SSLError as fault:
                raise Fault(f"the TLS connection to {self._name} failed: {reason(fault)}", _REFUSED) from fault
            except OSError as fault:
                raise Fault(f"the connection to {self._name} broke: {reason(fault)}", ASLEEP) from fault
        raise Fault(f"{self._name} was closed")


def _request(address: PortalAddress) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"GET {address.path} HTTP/1.1", f"Host: {host}:{address.port}", "Accept: */*", "Connection: close"]
    if address.login is not None:
        login = base64.b64encode(":".join(address.login).encode())
        lines.append(f"Authorization: Basic {login.decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _refusal(name: str, status: int) -> Fault:
    known: dict[int, tuple[str, str, Again]] = {
        401: ("refuses the user name or the password", _LOGIN, "never"),
        403: ("does not let this user see its video", _LOGIN, "never"),
        404: ("has no such video", _NO_VIDEO, "once live"),
    }
    what, cure, again = known.get(status, (f"answers {status}", _BUSY, "always"))
    return Fault(f"{name} {what}", cure, again=again)
