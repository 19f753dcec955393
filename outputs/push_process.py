"""The process of a run's connection to a media server: takes packets, hands them to FFmpeg's RTSP or RTMP writer.

PyAV holds Python's lock while FFmpeg connects, so in the run itself a silent server would stop every thread. Here it
stops nobody else, and whatever FFmpeg waits for, the alarm ends this process in time.

FFmpeg looks at the server's certificate on the connection itself, where it is told to. Its RTSP writer takes that as
an option; PyAV opens an RTMP connection without any, but the writer ``tee`` hands its own down to it. A short handshake
of ours comes before, because FFmpeg does not say what is wrong.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import av
from av import error
from av.container import OutputContainer

from contracts.text import reason_of
from contracts.trust import NO_LIST, NO_LIST_CURE, greet, trouble, trusted_list
from outputs.push_wire import Order, Word, packets

CONNECT_S, SEND_S, END_S = 10.0, 10.0, 2.0
"""Limits: for the server to take the first packet, for every other one, for the goodbye."""
_UNSENT = 128 << 10  # bytes the kernel holds beyond what is on its way: more would be delay
_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp"},
    "flv": {"flvflags": "no_duration_filesize"},  # it could only write them by going back
}
_PORTS = {"rtsps": 322, "rtmps": 443}
_STATUS = {error.HTTPUnauthorizedError: 401, error.HTTPForbiddenError: 403, error.HTTPNotFoundError: 404}
_CLEAR = (ConnectionError, TimeoutError, error.HTTPClientError, error.HTTPServerError)  # say all there is to say


def main() -> int:
    """Send what comes, until nothing comes any more. Everything is told on standard output, nothing printed."""
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no word of ours
    logging.getLogger("libav").addHandler(logging.NullHandler())
    av.logging.set_level(av.logging.ERROR)  # an exception carries the last line
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process also while FFmpeg has Python's lock
    order = Order.of(sys.stdin.buffer.readline())
    try:
        _send(order, told)
    except _Untrusted as fault:
        os.write(told, Word("failed", fault.reason, cure=fault.cure).line())
        return 1
    except (OSError, ValueError, av.FFmpegError) as fault:
        os.write(told, Word("failed", _reason(fault), _status(fault)).line())
        return 1
    return 0


def _send(order: Order, told: int) -> None:
    with _at_most(CONNECT_S):
        container = _opened(order)
    stream: Any = container.add_mux_stream(
        order.codec, rate=Fraction(*order.rate), width=order.width, height=order.height
    )
    live = False
    for packet in packets(sys.stdin.buffer):
        packet.stream = stream
        with _at_most(SEND_S if live else CONNECT_S):
            container.mux(packet)
        if not live:
            live = True
            _hold_little_back()
            os.write(told, Word("live").line())
    with _at_most(END_S):
        container.close()


def _opened(order: Order) -> OutputContainer:
    """What packets are written to; it connects with the first one. Raises _Untrusted, OSError."""
    options = _OPTIONS[order.format]
    if not order.checked:
        return av.open(order.url, "w", format=order.format, container_options=options)
    options = {**options, "tls_verify": "1", "ca_file": _greeted(order.url)}
    if order.format == "rtsp":
        return av.open(order.url, "w", format=order.format, container_options=options)
    told = ":".join(f"{name}={_escaped(value, ':]')}" for name, value in options.items())
    return av.open(_escaped(f"[f={order.format}:{told}]{order.url}", "|"), "w", format="tee")


def _escaped(text: str, special: str) -> str:
    """For FFmpeg's readers of tokens."""
    return re.sub(rf"[{re.escape(special)}\\']", lambda match: f"\\{match[0]}", text)


def _greeted(url: str) -> str:
    """The file of certificates by which the server is trusted. Raises _Untrusted, OSError."""
    trusted, parts = trusted_list(), urlsplit(url)
    if trusted is None:
        raise _Untrusted(NO_LIST, NO_LIST_CURE)
    try:
        greet(parts.hostname or "", parts.port or _PORTS[parts.scheme], trusted, CONNECT_S)
    except ssl.SSLEOFError as fault:
        raise ConnectionResetError from fault
    except ssl.SSLError as fault:
        what, cure = trouble(fault)
        raise _Untrusted(f"it {what}", cure) from fault
    return trusted


class _Untrusted(Exception):  # noqa: N818  # told to the run, whose error it becomes
    """Nothing is sent to this server."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.reason, self.cure = reason, cure


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """The alarm ends the process where this block takes longer."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _hold_little_back() -> None:
    """Lets the kernel say early that the network is too slow, and send at once: else megabytes wait in its buffer.

    FFmpeg does not tell its sockets, so whatever is one is asked.
    """
    for number in range(3, 64):
        try:
            with socket.socket(fileno=os.dup(number)) as found:
                if found.type == socket.SOCK_STREAM and found.family in (socket.AF_INET, socket.AF_INET6):
                    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        except OSError:
            continue


def _status(fault: Exception) -> int:
    return next((number for kind, number in _STATUS.items() if isinstance(fault, kind)), 0)


def _reason(fault: Exception) -> str:
    """Why, in FFmpeg's words: the last line of its log knows more than an "input/output error"."""
    if isinstance(fault, BrokenPipeError | ConnectionResetError):
        return "it closed the connection"
    log = getattr(fault, "log", None)
    if log and log[1] != "tee" and not isinstance(fault, _CLEAR):  # which says that all its outputs failed
        return str(log[2]).strip()
    return reason_of(fault)
