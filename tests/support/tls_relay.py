"""A TLS server that passes on what it hears to a server without TLS, and keeps what came first on each connection."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.certificates import Certificate

_PATIENCE_S = 120.0


@dataclass
class Relay:
    """port: where it listens. heard: of each connection whose handshake was finished, the first bytes."""

    port: int
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def tls_relay(certificates: Sequence[Certificate], to: int | None = None) -> Iterator[Relay]:
    """Shows one certificate after the other, a connection each, from the last on again the first.

    to: port of the server behind it; None: there is none, and it hangs up once it has heard something.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    state = Relay(listener.getsockname()[1])
    shown = itertools.cycle([each.server_side() for each in certificates])
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                thread = threading.Thread(target=_serve, args=(plain, next(shown), state, to))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield state
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (accepting, *threads):
            thread.join(_PATIENCE_S)


def _serve(plain: socket.socket, context: ssl.SSLContext, state: Relay, to: int | None) -> None:
    plain.settimeout(_PATIENCE_S)
    with suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
        first = client.recv(1 << 16)
        state.heard.append(first)
        if to is not None and first:
            with socket.create_connection(("127.0.0.1", to)) as server:
                server.sendall(first)
                _pass_on(client, server)


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both ways, in turns: a TLS connection is for one thread."""
    client.settimeout(0.02)
    server.settimeout(0.02)
    ends: tuple[tuple[socket.socket, socket.socket], ...] = ((client, server), (server, client))
    while True:
        for one, other in ends:
            with suppress(TimeoutError):
                data = one.recv(1 << 16)
                if not data:
                    return
                other.settimeout(_PATIENCE_S)
                other.sendall(data)
                other.settimeout(0.02)
