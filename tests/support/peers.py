"""Peers that speak no protocol: they accept and stay silent, talk rubbish, or are not there at all."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def peer(says: bytes = b"", *, hangs_up: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A listener; gives its HOST:PORT and what it was told, one entry per connection.

    It answers what it hears first with ``says``, and then hangs up or stays silent, the connection open.
    """
    heard: list[bytes] = []
    open_ones: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def attend(connection: socket.socket) -> None:
            with suppress(OSError):
                heard.append(connection.recv(1 << 16))
                connection.sendall(says)
                if hangs_up:
                    connection.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    open_ones.append(connection)
                    threading.Thread(target=attend, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in open_ones:
                connection.close()


def rubbish(count: int = 100_000) -> bytes:
    """Bytes without sense, the same each time."""
    return random.Random(7).randbytes(count)


def unused_port() -> int:
    """A port nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
