"""A connection to a device: real sockets that are silent, slow, closed or not there; nobody waits longer than said."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from contracts.errors import SourceError
from sources.hololens.channel import Channel


@contextmanager
def server(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """One client is served; the event says that the test is over."""
    over = threading.Event()

    def wait_for_a_client() -> None:
        client, _ = listener.accept()
        with client:
            serve(client, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=wait_for_a_client)
        thread.start()
        yield int(listener.getsockname()[1])
        over.set()
        thread.join(30)
        assert not thread.is_alive()


def silent(_: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def trickle(client: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        client.sendall(b"x")


def reset(client: socket.socket, over: threading.Event) -> None:
    over.wait(0.15)  # until the other side knows that it is connected
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(client: socket.socket, _: threading.Event) -> None:
    client.sendall(b"abc")


def test_what_was_sent_arrives_whole_however_it_was_cut() -> None:
    def slowly(client: socket.socket, over: threading.Event) -> None:
        for number in range(50):
            client.sendall(bytes([number]))
            over.wait(0.005)
        over.wait(60)

    with server(slowly) as port, Channel("127.0.0.1", port, open_s=20, read_s=20) as channel:
        assert channel.read(7) == bytes(range(7))
        assert channel.read(43) == bytes(range(7, 50))


@pytest.mark.parametrize(
    ("serve", "message", "cure"),
    [
        (silent, "has sent nothing, or too little, in time", "one program at a time"),
        (trickle, "has sent nothing, or too little, in time", "wake the HoloLens up"),
        (reset, "closed the connection", "hl2ss app"),
        (hang_up, "closed the connection", "hl2ss app"),
    ],
)
def test_what_does_not_come_is_an_error_with_a_cure(
    serve: Callable[[socket.socket, threading.Event], None], message: str, cure: str
) -> None:
    with server(serve) as port, Channel("127.0.0.1", port, open_s=20, read_s=0.4) as channel:
        with pytest.raises(SourceError, match=message) as caught:
            channel.read(1000)
        assert cure in caught.value.cure
        assert str(port) in caught.value.message


def test_who_is_stopped_waits_no_longer() -> None:
    stopped = threading.Event()
    with server(silent) as port, Channel("127.0.0.1", port, open_s=60, read_s=600, stopped=stopped.is_set) as channel:
        threading.Timer(0.2, stopped.set).start()
        began = time.monotonic()
        with pytest.raises(SourceError, match="was closed"):
            channel.read(1)
        assert time.monotonic() - began < 60


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match="nobody listens") as caught:
        Channel("127.0.0.1", port, open_s=20, read_s=20)
    assert "hl2ss app" in caught.value.cure


def test_a_device_that_does_not_answer_ends_by_the_limit_or_when_stopped() -> None:
    """A listener whose queue is full takes no more: connecting to it waits as for a device that sleeps."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(SourceError, match="cannot be reached: no answer") as caught:
            Channel("127.0.0.1", port, open_s=0.5, read_s=20)
        assert "wake the HoloLens up" in caught.value.cure
        with pytest.raises(SourceError, match="cannot be reached"):
            Channel("127.0.0.1", port, open_s=600, read_s=20, stopped=lambda: True)
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300, "a..b"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(SourceError, match=r"no address is known|no name of a host"):
        Channel(host, 3810, open_s=20, read_s=20)
