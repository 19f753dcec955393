"""Where a login of an HTTP address goes, and where it never does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from sources.live.connection import Fault
from sources.network import webconnection
from sources.open import open_source
from tests.support.certificates import Certificate, self_signed
from tests.support.numbered_video import jpeg
from tests.support.peers import peer
from tests.support.watching import QUICK, opened, watch
from tests.support.web import Quiet, let_in, proxy, site

pytestmark = pytest.mark.usefixtures("no_thread_stays")

_HELLO = b"\x16"
"""The first byte of a TLS handshake."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@dataclass
class Port:
    """address: HOST:PORT. proofs: logins of the requests, by whether they came through TLS."""

    address: str
    proofs: list[tuple[bool, str | None]] = field(default_factory=list)


@contextmanager
def leading_away(certificate: Certificate, *, from_tls: bool) -> Iterator[Port]:
    """One port with and without TLS, of which one leads to the other, and the other asks for a login."""
    context = certificate.server_side()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            if request.recv(1, socket.MSG_PEEK) != _HELLO:
                super().finish_request(request, client_address)
                return
            with context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            through_tls = isinstance(self.connection, ssl.SSLSocket)
            port.proofs.append((through_tls, self.headers.get("Authorization")))
            if through_tls is from_tls:
                self.send_response(302)
                self.send_header("Location", f"http{'' if from_tls else 's'}://{port.address}/x.mp4")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif let_in(self, ("anna", "secret99")):
                self.send_error(404)

    with Server(("127.0.0.1", 0), Handler) as server:
        port = Port(f"127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield port
        server.shutdown()
        serving.join(10)


def test_a_login_for_tls_never_goes_out_in_clear(certificate: Certificate) -> None:
    with leading_away(certificate, from_tls=True) as port:
        with pytest.raises(Fault, match="401"):
            open_source(f"https://anna:secret99@{port.address}/x.mp4#insecure", patience=QUICK)
        assert port.proofs == [(True, None), (False, None)]


def test_a_login_goes_along_to_tls(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    monkeypatch.setattr(webconnection, "_tls", webconnection._tls.__wrapped__)  # which remembers other lists
    with leading_away(certificate, from_tls=False) as port:
        with pytest.raises(Fault, match="404"):
            open_source(f"http://anna:secret99@{port.address}/x.mp4", patience=QUICK)
        assert [through_tls for through_tls, proof in port.proofs if proof is not None] == [True]


def test_the_login_in_a_redirect_is_left_out() -> None:
    with site(b"", login=("bob", "pw")) as other:
        with site(redirect=other.url.replace("//", "//bob:pw@")) as host, pytest.raises(Fault, match="401"):
            open_source(host.url, patience=QUICK)
        assert other.requests
        assert all("Authorization" not in each for each in other.requests)
        assert {each["Host"] for each in other.requests} == {other.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_asked_once(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with peer(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (address, _):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{address}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(Fault, match=r"is behind a proxy that wants a login \(407\)") as raised:
            open_source(f"{scheme}://camera.invalid/x.mp4", patience=QUICK)
    assert raised.value.again == "never"


@pytest.mark.parametrize("digest", [False, True])
def test_a_login_through_a_proxy(digest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proof is about is the stream's path, not the address that a proxy is asked for."""
    with site(jpeg(7), login=("bob", "pw"), digest=digest) as host, proxy() as between:
        monkeypatch.setenv("http_proxy", f"http://{between.address}")
        monkeypatch.setenv("no_proxy", "")
        with opened(host.url.replace("//", "//bob:pw@")) as source:
            assert [each.number for each in watch(source)] == [7]
        assert between.asked
