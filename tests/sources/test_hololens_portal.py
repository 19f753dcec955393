"""hololens:// against an emulated Device Portal: TLS, login, certificates that change, answers that break off."""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import pytest

from contracts.errors import SourceError, UsageError
from contracts.frame import Frame
from contracts.live import LiveState, Patience
from sources.hololens.address import PortalAddress
from sources.live.source import LiveSource
from sources.open import is_live, open_source
from tests.support.device_portal import Portal, certificate, portal
from tests.support.peers import unused_port

pytestmark = pytest.mark.usefixtures("no_thread_stays")

LIMIT_S = 60.0
"""For what has to happen at all; how soon is not asked here."""
SOON = Patience(open_s=20, read_s=2)
LOGIN = "me%40home:p%3Aw%231%20secret"
SECRETS = ("p:w#1 secret", "p%3Aw%231%20secret", "bWVAaG9tZTpwOncjMSBzZWNyZXQ=")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("portal"))


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where certificates are remembered in a test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "roadstream" / "certificates"


def uri(port: int, login: str = LOGIN) -> str:
    return f"hololens://{login}@127.0.0.1:{port}?quality=low"


def opened(state: Portal, patience: Patience = SOON, login: str = LOGIN) -> LiveSource:
    source = open_source(uri(state.port, login), patience=patience)
    assert isinstance(source, LiveSource)
    return source


def eventually(frames: Iterator[Frame]) -> Iterator[Frame]:
    deadline = time.monotonic() + LIMIT_S
    for frame in frames:
        yield frame
        assert time.monotonic() < deadline


def test_its_video_comes_upright_and_live(files: tuple[Path, Path]) -> None:
    with portal(files) as state:
        source = opened(state)
        frames = list(islice(source.frames(), 10))
        source.close()
    assert (source.info.width, source.info.height, source.info.rate) == (428, 240, Fraction(15))
    assert source.info.uri == f"hololens://127.0.0.1:{state.port}?quality=low"
    assert source.info.id == "hololens-127.0.0.1"
    picture = frames[-1].picture.bgr()
    assert picture[5].mean(axis=0).argmax() == 0  # the sky is blue
    assert picture[-5].mean(axis=0).argmax() == 1  # the floor is green
    assert all(one.pts < other.pts for one, other in pairwise(frames))
    asked = "/api/holographic/stream/live_low.mp4?holo=false&pv=true&mic=false&loopback=false"
    assert state.requests == [asked]


def test_its_certificate_is_remembered_and_another_one_is_refused_before_the_password_is_sent(
    files: tuple[Path, Path], tmp_path: Path, memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        with portal(files) as state:
            opened(state).close()
            opened(state).close()
        shown = ssl.PEM_cert_to_DER_cert(files[0].read_text())
        line = memory.read_text()
        place = f"127.0.0.1:{state.port}"
        assert line == f"{place} SHA256:{hashlib.sha256(shown).hexdigest()}\n"
        assert [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()] == [
            f"{place} is seen for the first time: its certificate {line.split()[1]} is trusted from now on"
        ]
        with portal(certificate(tmp_path, "another"), port=state.port) as other:
            with pytest.raises(SourceError, match="another certificate than before") as caught:
                opened(other)
            assert other.requests == []
            assert f"delete the line that begins with {place} in {memory}" in caught.value.cure
            memory.write_text("")
            opened(other).close()
    assert len(memory.read_text().splitlines()) == 1


def test_a_memory_that_cannot_be_read_lets_nobody_in(files: tuple[Path, Path], memory: Path) -> None:
    """It may hold the certificate: to trust anybody then would make it worth nothing."""
    memory.mkdir(parents=True)
    with portal(files) as state:
        with pytest.raises(SourceError, match="cannot be compared with the one before") as caught:
            opened(state)
        assert state.requests == []
    assert str(memory) in caught.value.cure


def test_a_certificate_that_changes_in_a_run_ends_it(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where none can be remembered."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING), portal(files) as state:
        source = opened(state, Patience(open_s=20, read_s=2, reconnect=None))
        frames = source.frames()
        next(frames)
    assert "cannot be remembered" in caplog.text
    with portal(certificate(tmp_path, "another"), port=state.port) as other:
        with pytest.raises(SourceError, match="another certificate"):
            for _ in eventually(frames):
                pass
        assert other.requests == []
    assert source.status.state is LiveState.ENDED


def test_it_is_asked_by_no_proxy(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the same network, and a proxy would not find it there."""
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("no_proxy", "")
    with portal(files) as state:
        opened(state).close()


@pytest.mark.parametrize("login", ["me%40home:wrong-one", "somebody:p%3Aw%231%20secret", "me%40home", ""])
def test_a_wrong_login_is_final_and_shows_no_password(files: tuple[Path, Path], login: str) -> None:
    with portal(files) as state:
        with pytest.raises(SourceError, match="refuses the user name or the password") as caught:
            opened(state, Patience(open_s=20, read_s=2, reconnect=None), login)
        assert len(state.requests) == 1
    assert "Device Portal" in caught.value.cure
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "message", "cure"),
    [(403, "does not let this user", "%40"), (404, "has no such video", "Mixed Reality Capture"), (503, "503", "end")],
)
def test_what_it_answers_is_said_with_a_cure(files: tuple[Path, Path], status: int, message: str, cure: str) -> None:
    with portal(files, status=status) as state:
        with pytest.raises(SourceError, match=message) as caught:
            opened(state, Patience(open_s=20, read_s=2, reconnect=1))
        assert len(state.requests) == (2 if status == 503 else 1)
    assert cure in caught.value.cure


def test_a_password_that_is_set_in_the_environment_is_sent_and_never_shown(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HL_USER", "me@home")
    monkeypatch.setenv("HL_PASSWORD", "p:w#1 secret")
    texts = []
    with caplog.at_level(logging.DEBUG), portal(files) as state:
        source = opened(state, login="${HL_USER}:${HL_PASSWORD}")
        texts += [source.info.uri, source.info.id, repr(source.info)]
        frames = eventually(source.frames())
        next(frames)
        state.login = ("me@home", "another")
        state.generation += 1
        with pytest.raises(SourceError, match="refuses the user name") as caught:
            for _ in frames:
                pass
        texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__), caplog.text]
        texts.append(repr(PortalAddress.parse(uri(state.port))))
    for secret in SECRETS:
        assert not [text for text in texts if secret in text]


@pytest.mark.parametrize("fault", ["cut", "ends", "silent"])
def test_whatever_ends_its_answer_is_a_loss_and_it_goes_on(files: tuple[Path, Path], fault: str) -> None:
    with portal(files) as state:
        if fault == "ends":
            state.ends = 10
        source = opened(state)
        frames = eventually(source.frames())
        next(frames)
        if fault == "cut":
            state.generation += 1
        if fault == "silent":
            state.silent = True
            threading.Timer(3, setattr, (state, "silent", False)).start()
        after = next(frame for frame in frames if frame.connection == 1)
        source.close()
    assert after.outage is not None
    said = {"cut": ["was cut off"], "ends": ["gives no more pictures"], "silent": ["said nothing", "no more"]}
    assert any(words in after.outage.reason for words in said[fault]), after.outage.reason
    assert len(state.requests) >= 2


@pytest.mark.parametrize("instead", [b"", b"garbage" * 3000, b"\0\0\0\x20ftypmp42" + bytes(5000), b"\xff" * 100_000])
def test_what_is_no_video_is_an_error_and_nothing_is_printed(
    files: tuple[Path, Path], instead: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with portal(files, instead=instead) as state:
        with pytest.raises(SourceError) as caught:
            opened(state, Patience(open_s=20, read_s=1, reconnect=0))
        state.ended.set()
    assert "127.0.0.1" in caught.value.message
    assert caught.value.cure
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["silent", "no TLS", "hangs up"])
def test_a_port_that_is_no_portal_is_an_error_in_time(kind: str) -> None:
    def serve() -> None:
        client, _ = listener.accept()
        with client:
            if kind == "no TLS":
                client.sendall(b"220 welcome\r\n" * 100)
            if kind != "hangs up":
                over.wait(60)

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SourceError) as caught:
            open_source(uri(listener.getsockname()[1]), patience=Patience(open_s=2, read_s=2, reconnect=0))
        over.set()
        thread.join()
    words = {"silent": "said nothing|no picture", "no TLS": "does not speak TLS", "hangs up": "closed the connection"}[
        kind
    ]
    assert any(word in caught.value.message for word in words.split("|")), caught.value.message


def test_closing_ends_it_at_once(files: tuple[Path, Path]) -> None:
    with portal(files) as state:
        source = opened(state, Patience(open_s=60, read_s=600))
        frames = source.frames()
        next(frames)
        state.silent = True
        threading.Timer(0.3, source.close).start()
        began = time.monotonic()
        for _ in frames:
            pass
        assert time.monotonic() - began < LIMIT_S


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hololens://", "names no host"),
        ("hololens://me:hidden#5@h", "port of hololens:// is no number|names no host|only ?options"),
        ("hololens://me:hidden-5@h/live", "only ?options"),
        ("hololens://me:hidden-5@h?quality=best", "unknown quality 'best'"),
        ("hololens://me:hidden-5@h?mic=true", "unknown option 'mic'"),
        ("hololens://me:hidden-5@h:70000", "port of hololens:// is no number"),
    ],
)
def test_what_makes_no_sense_is_said_without_the_password(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(text)
    assert any(each in caught.value.message for each in message.split("|")), caught.value.message
    assert "hidden" not in str(caught.value)
    assert caught.value.cure


def test_a_hololens_is_live_and_has_no_parts() -> None:
    for text in ("hololens://h", "hl2ss://h"):
        assert is_live(text)
        with pytest.raises(UsageError, match="a HoloLens cannot loop"):
            open_source(text, loop=True)
