"""Small web servers on this machine: a file host that misbehaves as told, and a proxy."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Site:
    """What the file host serves and how it fails; changed by tests between requests.

    cuts: the connection of the n-th request ends after so many bytes of the body (None: not at all). stall: after
    those bytes it stays open and silent instead. headers: sent besides, or instead of its own. login: user and
    password that every request has to bring (digest: by that scheme, else by Basic).
    """

    body: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    status: int | None = None
    cuts: list[int | None] = field(default_factory=list)
    stall: bool = False
    redirect: str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    digest: bool = False
    requests: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def site(body: bytes = b"", *, tls: ssl.SSLContext | None = None, **options: object) -> Iterator[Site]:
    """A file host; ``site.url`` is the address of its file. It answers any path."""
    served = Site(body, **options)  # type: ignore[arg-type]

    class Handler(Quiet):
        def do_GET(self) -> None:
            served.requests.append(dict(self.headers))
            _answer(self, served)

    with serving(Handler, tls) as address:
        served.url = f"http{'s' if tls else ''}://{address}/files/net.onnx"
        try:
            yield served
        finally:
            served.ended.set()


def let_in(handler: BaseHTTPRequestHandler, login: tuple[str, str] | None, *, digest: bool = False) -> bool:
    """Whether a request brings this login; else it has been answered with 401."""
    proof = handler.headers.get("Authorization", "")
    if login is None or (_digest_is_right(handler, proof, login) if digest else proof == basic(*login)):
        return True
    handler.send_response(401)
    md5 = 'Digest realm="a test", nonce="n0nce", qop="auth", algorithm=MD5'
    plain = 'Basic realm="a test"'
    for asked in (md5, md5.replace("MD5", "SHA-256"), plain) if digest else (plain,):  # as cameras do: take your choice
        handler.send_header("WWW-Authenticate", asked)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return False


def basic(user: str, password: str) -> str:
    """A login as HTTP's Basic scheme sends it."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _digest_is_right(handler: BaseHTTPRequestHandler, proof: str, login: tuple[str, str]) -> bool:
    """RFC 7616, 3.4.1, with quality of protection "auth"."""
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', proof))
    secret = _md5(f"{login[0]}:a test:{login[1]}")
    asked = _md5(f"{handler.command}:{handler.path}")
    answer = _md5(f"{secret}:n0nce:{said.get('nc')}:{said.get('cnonce')}:auth:{asked}")
    return proof.startswith("Digest ") and said.get("response") == answer


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    if not let_in(handler, site.login, digest=site.digest):
        return
    if site.redirect is not None:
        handler.send_response(302)
        handler.send_header("Location", site.redirect)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if site.status is not None:
        handler.send_error(site.status)
        return
    start = _wanted_start(handler, site)
    if start is not None and start >= len(site.body):
        _send(handler, site, 416, b"", {"Content-Range": f"bytes */{len(site.body)}"})
    elif start is not None:
        span = f"bytes {start}-{len(site.body) - 1}/{len(site.body)}"
        _send(handler, site, 206, site.body[start:], {"Content-Range": span})
    else:
        _send(handler, site, 200, site.body, {})


def _wanted_start(handler: BaseHTTPRequestHandler, site: Site) -> int | None:
    """Where the answer begins, None: the whole file (RFC 9110, 14.2 and 13.1.5)."""
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    if not site.ranges or not asked or condition not in (None, site.etag, site.modified):
        return None
    return int(asked[1])


def _send(handler: BaseHTTPRequestHandler, site: Site, status: int, body: bytes, more: Mapping[str, str]) -> None:
    headers: dict[str, str | None] = {"Content-Length": str(len(body)), "Content-Type": "application/octet-stream"}
    headers |= {"ETag": site.etag, "Last-Modified": site.modified, **more, **site.headers}
    handler.send_response(status)
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    number = len(site.requests) - 1
    cut = site.cuts[number] if number < len(site.cuts) else None
    handler.wfile.write(body[:cut])
    handler.wfile.flush()
    if cut is not None and site.stall:
        site.ended.wait(30)
    handler.close_connection = True


@dataclass
class Proxy:
    """address: host:port. asked: the request lines it got. login: what it wants in Proxy-Authorization."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    login: str | None = None
    tunnel_to: tuple[str, int] | None = None


@contextmanager
def proxy(**options: object) -> Iterator[Proxy]:
    """A forwarding proxy: plain requests, and CONNECT to wherever ``tunnel_to`` says."""
    state = Proxy(**options)  # type: ignore[arg-type]

    class Handler(Quiet):
        def do_GET(self) -> None:
            if _let_in(self, state):
                _forward(self)

        def do_CONNECT(self) -> None:
            if _let_in(self, state):
                _tunnel(self, state)

    with serving(Handler) as address:
        state.address = address
        yield state


def _let_in(handler: BaseHTTPRequestHandler, state: Proxy) -> bool:
    state.asked.append(f"{handler.command} {handler.path}")
    if state.login is None or handler.headers.get("Proxy-Authorization") == state.login:
        return True
    handler.send_error(407)
    return False


def _forward(handler: BaseHTTPRequestHandler) -> None:
    parts = urlsplit(handler.path)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.request("GET", parts.path, headers=dict(handler.headers))
    answer = connection.getresponse()
    handler.send_response(answer.status)
    for name, value in answer.getheaders():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer.read())
    handler.close_connection = True
    connection.close()


def _tunnel(handler: BaseHTTPRequestHandler, state: Proxy) -> None:
    if state.tunnel_to is None:
        handler.send_error(502)
        return
    with socket.create_connection(state.tunnel_to, timeout=10) as far:
        handler.send_response(200)
        handler.end_headers()
        back = threading.Thread(target=_pump, args=(far, handler.connection))
        back.start()
        _pump(handler.connection, far)
        back.join(10)
    handler.close_connection = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Quiet(BaseHTTPRequestHandler):
    """A handler that says nothing on stderr and takes a client that leaves for granted."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def handle(self) -> None:
        """A client that leaves is no error."""
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on a free port for as long as the block lasts; gives its HOST:PORT."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
