"""What went wrong on the network, for people: the cause, the cure, and whether another try may help."""

from __future__ import annotations

import errno
import socket
import ssl
from fractions import Fraction
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from urllib.error import HTTPError, URLError

import av

from contracts.errors import UsageError
from contracts.text import reason_of
from contracts.trust import trouble
from sources.live.connection import Again, Fault
from sources.network.address import NetworkAddress

_STATUS: dict[int, tuple[str, str, Again]] = {
    400: ("does not understand the request", "its path or query is not what the server wants", "once live"),
    401: ("refuses the login", "write USER:PASSWORD@ before the host; ${NAME} is taken from the environment", "never"),
    403: ("does not allow this user to watch", "give the user the right to view, or name another one", "never"),
    404: ("has no such stream", "look up the stream's path in the camera's manual or pages", "once live"),
    407: ("is behind a proxy that wants a login", "put it in HTTP(S)_PROXY, or list the host in NO_PROXY", "never"),
    410: ("no longer has this stream", "look up its new address", "once live"),
    416: ("is empty", "look at the server", "once live"),
    429: ("has been asked too often", "wait; close other programs that watch it", "always"),
}
_UNKNOWN: tuple[str, str, Again] = ("cannot serve the stream", "look at the address and the server", "once live")
_IN_TROUBLE: tuple[str, str, Again] = ("is in trouble itself", "look at the server; it may still be starting", "always")
_NOT_OFFERED = (errno.EPROTONOSUPPORT, errno.ENOSYS)
_GONE = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.EIO, errno.ENOTCONN)


def status_fault(name: str, status: int) -> Fault:
    """What a status of HTTP or RTSP means."""
    what, cure, again = _IN_TROUBLE if status >= 500 else _STATUS.get(status, _UNKNOWN)
    return Fault(f"{name} {what} ({status})", cure, again=again)


def web_fault(name: str, fault: Exception, limit_s: float) -> Fault:
    """What the web client's exceptions mean. limit_s: how long it waited."""
    if isinstance(fault, HTTPError):
        return status_fault(name, fault.code)
    if isinstance(fault, IncompleteRead):
        return cut(name)
    if isinstance(fault, RemoteDisconnected):
        return _closed(name)
    if isinstance(fault, HTTPException):
        return Fault(
            f"{name} does not answer as a web server does", "look at the scheme and the port", again="once live"
        )
    reason = fault.reason if isinstance(fault, URLError) else fault
    if isinstance(reason, OSError):
        locked = "Tunnel connection failed: 407" in str(reason)  # http.client's words for what a proxy says before TLS
        return status_fault(name, 407) if locked else socket_fault(name, reason, limit_s)
    return Fault(f"{name} cannot be asked: {reason}", "look at the address", again="once live")


def socket_fault(name: str, fault: OSError, limit_s: float) -> Fault:
    """What keeps a connection from being made or going on. limit_s: how long it waited."""
    if isinstance(fault, ssl.SSLError):
        return _tls_fault(name, fault)
    if isinstance(fault, socket.gaierror):
        return _name_fault(name, fault)
    if isinstance(fault, TimeoutError) or fault.errno == errno.ETIMEDOUT:
        return silent(name, limit_s)
    if fault.errno == errno.ECONNREFUSED:
        return Fault(f"{name} refuses connections", "look whether it is on and the port is right")
    if fault.errno in _GONE:
        return _closed(name)
    return Fault(f"{name} cannot be reached: {reason_of(fault)}", "look at the cable, the network and the address")


def _closed(name: str) -> Fault:
    return Fault(f"{name} has closed the connection", "look whether it is on and reachable")


def _tls_fault(name: str, fault: ssl.SSLError) -> Fault:
    if isinstance(fault, ssl.SSLEOFError):
        return _closed(name)
    what, cure = trouble(fault)
    return Fault(f"{name} {what}", cure, again="once live")


def _name_fault(name: str, fault: socket.gaierror) -> Fault:
    message = f"{name}: no host of this name is known"
    if fault.errno == socket.EAI_AGAIN:
        return Fault(message, "look at the network and its DNS, or write the host's number (192.168.…)")
    return Fault(message, "look at the spelling, or write the host's number (192.168.…)", again="once live")


def rtsp_fault(address: NetworkAddress, fault: Exception, limit_s: float, transport: str) -> Fault:
    """What FFmpeg's errors mean for an RTSP stream. limit_s: how long it waited."""
    name, number = address.name, getattr(fault, "errno", None)
    for status, kind in (
        (400, av.HTTPBadRequestError),
        (401, av.HTTPUnauthorizedError),
        (403, av.HTTPForbiddenError),
        (404, av.HTTPNotFoundError),
        (500, av.HTTPServerError),
    ):
        if isinstance(fault, kind):
            return status_fault(name, status)
    if isinstance(fault, av.HTTPClientError) or number in _NOT_OFFERED:
        cure = "it may send no video, take no more viewers, or want the other --transport (tcp or udp)"
        return Fault(f"{name} does not play", cure, again="once live")
    if isinstance(fault, av.ExitError) or number == errno.ETIMEDOUT:
        return silent(name, limit_s, "a firewall may stop UDP: try --transport tcp" if transport == "udp" else "")
    if isinstance(fault, av.InvalidDataError):
        cure = "look at the port, and whether the camera is on and its RTSP service enabled"
        return Fault(f"{name} does not answer as an RTSP server does", cure)
    if isinstance(fault, OSError):
        return socket_fault(name, fault, limit_s)
    return Fault(f"{name} cannot be read: {reason_of(fault)}", "look at the server")


def silent(name: str, limit_s: float, cure: str = "") -> Fault:
    """Nothing came in time."""
    return Fault(f"{name} has said nothing for {limit_s:g} s", cure or "look whether it is on and reachable")


def check_start(name: str, start: Fraction, length: Fraction) -> None:
    """Raises Fault where the start, seconds, lies behind the end; length: 0 where it is not known."""
    if length and start >= length:
        cure = f"it is {float(length):.2f} s long"
        raise Fault(f"{name} gives no frame from {float(start):g} s on", cure, again="never")


def refuse_start(name: str, start: Fraction) -> None:
    """For what is live. Raises UsageError where a start, seconds, is wanted."""
    if start:
        raise UsageError(f"{name} is live and cannot start later", "leave --start out")


def cut(name: str) -> Fault:
    """A body ended before its end."""
    return Fault(f"{name} was cut off in the middle", "it goes on where it was as soon as the server can be reached")
