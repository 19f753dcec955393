"""What is said of peers that are not there, stay silent, talk rubbish or refuse; and addresses that are none."""

from __future__ import annotations

import errno
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import av
import pytest

from contracts.errors import SourceError, UsageError
from contracts.live import Patience
from sources.live.connection import Fault
from sources.network.address import NetworkAddress
from sources.network.faults import rtsp_fault, socket_fault
from sources.open import is_live, open_source, places_read
from tests.support.numbered_video import mp4
from tests.support.peers import peer, rubbish, unused_port
from tests.support.web import site

LOGIN = "bob:s3cret"
ONCE = Patience(open_s=3, read_s=2, reconnect=0)


@contextmanager
def says(data: bytes) -> Iterator[str]:
    with peer(data) as (address, _):
        yield address


@contextmanager
def hangs_up() -> Iterator[str]:
    with peer(hangs_up=True) as (address, _):
        yield address


@contextmanager
def nobody() -> Iterator[str]:
    yield f"127.0.0.1:{unused_port()}"


@contextmanager
def unknown_host() -> Iterator[str]:
    yield "no.such.host.invalid"


def answers(line: str) -> Callable[[], object]:
    return lambda: says(f"{line}\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n".encode())


SILENT = r"has (said nothing for 2|sent no picture for 3) s → look whether it is on"
"""Whoever notices first."""
NOT_IN_TIME = r"has not answered as an RTSP server does for 2 s → look whether it is on|has sent no picture for 3 s"
NO_RTSP = r"does not answer as an RTSP server does → look at the port|has sent no picture for 3 s"


@pytest.mark.parametrize(
    ("there", "scheme", "words", "again"),
    [
        (lambda: says(b""), "rtsp", NOT_IN_TIME, "always"),
        (lambda: says(b""), "http", SILENT, "always"),
        (lambda: says(b""), "https", SILENT, "always"),
        (lambda: says(b""), "rtsps", SILENT, "always"),
        (lambda: says(rubbish()), "rtsp", f"{NO_RTSP}|{NOT_IN_TIME}", "always"),
        (lambda: says(rubbish()), "http", "does not answer as a web server does", "once live"),
        (lambda: says(rubbish()), "https", "does not speak TLS", "once live"),
        (lambda: says(rubbish()), "rtsps", "does not speak TLS", "once live"),
        (hangs_up, "rtsp", NO_RTSP, "always"),
        (hangs_up, "http", "has closed the connection → look whether it is on", "always"),
        (hangs_up, "https", "has closed the connection", "always"),
        (hangs_up, "rtsps", "has closed the connection", "always"),
        (nobody, "rtsp", "refuses connections → look whether it is on", "always"),
        (nobody, "http", "refuses connections → look whether it is on", "always"),
        (nobody, "rtsps", "refuses connections", "always"),
        (unknown_host, "rtsp", "no host of this name is known → look at the spelling", "once live"),
        (unknown_host, "https", "no host of this name is known → look at the spelling", "once live"),
        (answers("RTSP/1.0 400 Bad Request"), "rtsp", r"does not understand the request \(400\)", "once live"),
        (answers("RTSP/1.0 403 Forbidden"), "rtsp", r"does not allow this user to watch \(403\)", "never"),
        (answers("RTSP/1.0 404 Not Found"), "rtsp", r"has no such stream \(404\)", "once live"),
        (answers("RTSP/1.0 461 Unsupported"), "rtsp", r"does not play → .* other --transport", "once live"),
        (answers("RTSP/1.0 503 Later"), "rtsp", r"is in trouble itself", "always"),
        (answers("HTTP/1.0 401 Who"), "http", r"refuses the login \(401\) → write USER:PASSWORD@", "never"),
        (answers("HTTP/1.0 403 No"), "http", r"does not allow this user to watch \(403\)", "never"),
        (answers("HTTP/1.0 404 No"), "http", r"has no such stream \(404\)", "once live"),
        (answers("HTTP/1.0 418 Tea"), "http", r"cannot serve the stream \(418\)", "once live"),
        (answers("HTTP/1.0 429 Wait"), "http", r"has been asked too often \(429\)", "always"),
        (answers("HTTP/1.0 503 Later"), "http", r"is in trouble itself \(503\)", "always"),
        (answers("HTTP/1.0 302 There\r\nLocation: file:///etc/passwd"), "http", r"\(302\)", "once live"),
    ],
)
def test_peers_that_send_no_pictures(there: Callable[[], object], scheme: str, words: str, again: str) -> None:
    with there() as address:  # type: ignore[attr-defined]
        begun = time.monotonic()
        with pytest.raises(Fault, match=words) as caught:
            open_source(f"{scheme}://{LOGIN}@{address}/cam", patience=ONCE)
        assert time.monotonic() - begun < 30  # far more than three limits
    assert caught.value.again == again
    assert caught.value.message.startswith(f"{scheme}://{address}/cam")
    assert caught.value.cure
    assert LOGIN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (rubbish(), {}, "is not a video that can be read: Invalid data .* → look at the address in a browser"),
        (b"", {}, "is empty"),
        (b"<html>hello", {"Content-Type": "text/html; charset=utf-8"}, "is a web page, not a video"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", {}, "is not a video that can be read"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n", {}, "is not a video that can be read"),
        (mp4(5)[:300], {}, "gives no video"),
    ],
)
def test_bodies_that_are_no_video(body: bytes, headers: dict[str, str], words: str) -> None:
    with site(body, headers=headers) as host, pytest.raises(Fault, match=words) as caught:
        open_source(host.url, patience=ONCE)
    assert caught.value.again == "once live"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "cannot be reached: No route to host → look at the cable"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "cannot be reached: Network is unreachable"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "no host of this name is known → look at the network and its DNS"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "has closed the connection"),
    ],
)
def test_what_no_test_can_bring_about(fault: OSError, words: str) -> None:
    found = socket_fault("rtsp://cam/1", fault, 5)
    assert words in str(found)
    assert found.again == "always"


def test_what_udp_may_suffer_from() -> None:
    fault = rtsp_fault(NetworkAddress.parse("rtsp://cam/1"), av.ExitError(1, "Immediate exit requested"), 5, "udp")
    assert str(fault) == "rtsp://cam/1 has said nothing for 5 s → a firewall may stop UDP: try --transport tcp"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("rstp://host/x", r"cannot read sources of the kind 'rstp:' → did you mean 'rtsp:'"),
        ("htpps://host/x", r"did you mean 'https:'"),
        ("rtsp:///x", "names no host → write rtsp://HOST/PATH"),
        ("rtsp://host:port/x", "its port is no number"),
        ("rtsp://bob:p/w@host:1/x", "its port is no number → write what is special"),
        ("rtsp://bob:p#w@host/x", "a # ends the address → write what is special"),
        ("https://host/x#insecrue", "did you mean 'insecure'"),
        ("http://host/x#insecure", "is for https:// and rtsps:// → leave it out"),
        ("rtsp://bob:${NO_SUCH_VARIABLE_77}@host/x", "the variable NO_SUCH_VARIABLE_77 is not set"),
    ],
)
def test_addresses_that_are_none(uri: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_source(uri, patience=ONCE)
    assert not any(secret in str(caught.value) for secret in ("p/w", "p#w", "bob"))


@pytest.mark.parametrize(("start", "loop"), [(2.0, False), (0.0, True)])
def test_a_camera_has_no_beginning(start: float, loop: bool) -> None:
    with pytest.raises(UsageError, match="a live stream cannot"):
        open_source("rtsp://host/x", start=start, loop=loop)


def test_the_web_cannot_loop() -> None:
    with pytest.raises(UsageError, match="cannot loop → download it"):
        open_source("https://host/x.mp4", loop=True)


@pytest.mark.parametrize(
    ("uri", "name", "shown", "identity"),
    [
        ("rtsp://bob:secret@cam-1.local/stream1", "rtsp://cam-1.local/stream1", None, "cam-1.local-stream1"),
        ("RTSP://192.168.1.9:554/a/b", "rtsp://192.168.1.9:554/a/b", None, "192.168.1.9-a-b"),
        ("rtsp://h:8554/a", "rtsp://h:8554/a", None, "h-8554-a"),
        ("http://h/v.cgi?ch=2&token=abc", "http://h/v.cgi", "http://h/v.cgi?ch=2&token=…", "h-v.cgi-ch-2"),
        ("rtsp://h/user=a&password=xyz&ch=1", "rtsp://h/user=a&password=…&ch=1", None, "h-user-a-password-ch-1"),
        ("https://[fe80::1]:8443/x/", "https://[fe80::1]:8443/x/", None, "fe80-1-8443-x"),
        ("https://h/" + "x" * 200, "https://h/" + "x" * 200, None, "h-" + "x" * 58),
    ],
)
def test_what_addresses_show(uri: str, name: str, shown: str | None, identity: str) -> None:
    address = NetworkAddress.parse(uri)
    assert address.name == name
    assert address.shown == (shown or name)
    assert address.id == identity
    assert places_read(uri) == []
    assert is_live(uri) is uri.lower().startswith("rtsp")


def test_the_login_of_an_address_is_decoded() -> None:
    address = NetworkAddress.parse("https://b%40b:p%2Fw%C3%A9@host/x?a=b#insecure")
    assert address.login == ("b@b", "p/wé")
    assert address.bare == "https://host/x?a=b"
    assert address.insecure


def test_a_source_that_was_never_there_is_given_up_after_its_tries(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SourceError, match="refuses connections"):
        open_source(f"rtsp://127.0.0.1:{unused_port()}/x", patience=Patience(3, 2, 1))
    assert [record.getMessage().partition("trying again")[1] for record in caplog.records] == ["trying again"]
