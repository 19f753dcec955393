"""HTTP connections that are waited for in short turns, their certificates looked at before anything is sent."""

from __future__ import annotations

import functools
import io
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any, TypeAlias
from urllib.request import HTTPHandler, HTTPSHandler, Request

from sources.live.waiting import Waits

Look: TypeAlias = Callable[[bytes], None]
"""Looks at the other side's certificate (DER); raises where it is not the right one."""


class HttpHandler(HTTPHandler):
    """For ``http://``."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._connect = functools.partial(_Connection, waits)

    def http_open(self, request: Request) -> HTTPResponse:
        """Answers with what the other side says."""
        return self.do_open(self._connect, request)


class TlsHandler(HTTPSHandler):
    """For ``https://``. insecure: nobody asks who signed the certificate. look: at it, besides."""

    def __init__(self, waits: Waits, *, insecure: bool, look: Look = lambda _: None) -> None:
        super().__init__()
        self._connect = functools.partial(_TlsConnection, waits, _tls(insecure), look)

    def https_open(self, request: Request) -> HTTPResponse:
        """Answers with what the other side says."""
        return self.do_open(self._connect, request)


@functools.cache  # reading the machine's certificates takes a tenth of a second
def _tls(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _Connection(HTTPConnection):
    def __init__(self, waits: Waits, host: str, **_: Any) -> None:
        super().__init__(host)
        self._waits = waits
        self._create_connection = lambda place, *_: waits.connect(*place)
        self.response_class = functools.partial(_Response, waits)  # type: ignore[assignment]  # called, never looked at


class _TlsConnection(_Connection):
    default_port = 443

    def __init__(self, waits: Waits, context: ssl.SSLContext, look: Look, host: str, **_: Any) -> None:
        super().__init__(waits, host)
        self._context, self._look = context, look

    def connect(self) -> None:
        """As far as the certificate."""
        super().connect()
        host = getattr(self, "_tunnel_host", None) or self.host
        self.sock = self._context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self._waits.act(self.sock, self.sock.do_handshake)
        self._look(self.sock.getpeercert(binary_form=True) or b"")


class _Response(HTTPResponse):
    def __init__(self, waits: Waits, connection: socket.socket, *args: Any, **given: Any) -> None:
        super().__init__(connection, *args, **given)
        self.fp = io.BufferedReader(_Reader(waits, connection, self.fp.detach()))


class _Reader(io.RawIOBase):
    """The bytes of a connection. file: the socket's own, which keeps it open until it is closed."""

    def __init__(self, waits: Waits, connection: socket.socket, file: io.RawIOBase) -> None:
        super().__init__()
        self._waits, self._connection, self._file = waits, connection, file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As soon as there is something; 0 at the end."""
        return self._waits.act(self._connection, lambda: self._connection.recv_into(buffer))

    def close(self) -> None:
        """Lets go of the connection."""
        self._file.close()
        super().close()
