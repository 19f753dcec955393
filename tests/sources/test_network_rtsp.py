"""RTSP from a real server: what comes, what comes back, and what is counted meanwhile."""

from __future__ import annotations

import dataclasses
import threading
import time
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import pytest

from contracts import backoff
from contracts.errors import SourceError
from contracts.live import HasStatus, LiveState, Patience
from contracts.picture import Picture
from contracts.protocols import Source
from sources.live.connection import Fault
from sources.open import open_source
from tests.support.certificates import Certificate, self_signed
from tests.support.netns import cable
from tests.support.rtsp_server import Access, Codec, Mount, rtsp_server
from tests.support.waiting import left_behind, until
from tests.support.watching import QUICK, Seen, descriptors, off, opened, resident, said, watch

pytestmark = pytest.mark.usefixtures("no_thread_stays")

LOGIN = ("bob", "p@ss:w/rd")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    ("codec", "transport"), [("h264", "tcp"), ("h264", "udp"), ("h265", "tcp"), ("mjpeg", "tcp"), ("mjpeg", "udp")]
)
def test_every_picture_comes_once_with_its_time(codec: Codec, transport: Literal["tcp", "udp"]) -> None:
    patience = dataclasses.replace(QUICK, transport=transport)
    with rtsp_server(Mount(codec=codec)) as server, opened(server.url(), patience) as source:
        assert source.info.live
        assert (source.info.width, source.info.height) == (320, 240)
        assert source.info.uri == server.url()
        assert source.info.id == f"127.0.0.1-{server.port}-cam"
        assert source.info.rate == 25
        seen = watch(source, 30)
        assert len(off(seen)) == 1
        assert seen[0].index == 0
        first = seen[0].number or 0
        assert all(abs(each.pts - Fraction((each.number or 0) - first, 25)) < Fraction(1, 50) for each in seen)
        ages = [each.arrival - server.made_ns(each.number or 0) for each in seen]
        assert min(ages) > 0


def test_what_waited_while_ffmpeg_looked_at_the_stream_is_not_taken_for_new() -> None:
    with rtsp_server(Mount(keyframe_s=2)) as server, opened(server.url()) as source:
        seen = watch(source, 20)
    waited = [each.arrival - server.made_ns(each.number or 0) for each in seen]
    assert waited[0] < min(waited) + 0.5e9
    assert source.losses.dropped == 0


def test_a_scheme_may_be_written_in_capitals() -> None:
    with rtsp_server() as server, opened(server.url().replace("rtsp", "RTSP")) as source:
        assert watch(source, 2)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
@pytest.mark.parametrize("tls", [False, True])
def test_logins(scheme: str, tls: bool, certificate: Certificate) -> None:
    access = Access([LOGIN], "digest" if scheme == "digest" else "basic")
    if tls:
        access = dataclasses.replace(access, cert=certificate.cert, key=certificate.key)
    with rtsp_server(access=access) as server, opened(server.url("/cam", *LOGIN) + "#insecure" * tls) as source:
        assert source.info.uri == server.url()
        assert len(off(watch(source, 3))) == 1


def test_a_certificate_is_looked_at(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with rtsp_server(access=Access(cert=certificate.cert, key=certificate.key)) as server:
        with pytest.raises(SourceError, match=r"cannot be trusted: self-signed certificate → .*#insecure"):
            open_source(server.url(), patience=QUICK)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
        with opened(server.url()) as source:
            assert watch(source, 2)


@pytest.mark.parametrize(
    ("path", "login", "words", "again"),
    [
        ("/cam", ("bob", "wrong"), r"refuses the login \(401\) → write USER:PASSWORD@", "never"),
        ("/cam", ("", ""), r"refuses the login \(401\)", "never"),
        ("/nothing", LOGIN, r"has no such stream \(404\) → look up", "once live"),
        ("/sound", LOGIN, "does not play → it may send no video", "once live"),
    ],
)
def test_what_cannot_be_watched_is_asked_for_once(
    path: str, login: tuple[str, str], words: str, again: str, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access([LOGIN], "digest")
    with (
        rtsp_server(Mount(), Mount("/sound", audio_only=True), access=access) as server,
        pytest.raises(Fault, match=words) as caught,
    ):
        open_source(server.url(path, *login), patience=QUICK)
    assert caught.value.again == again
    assert not said(caplog.records, "trying again")


@pytest.mark.parametrize("mount", [Mount(), Mount(codec="mjpeg", states_rate=False)])
def test_a_server_that_is_killed_and_started_again(mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
    with rtsp_server(mount) as server, opened(server.url()) as source:
        assert (source.info.rate == 25) is mount.states_rate

        def restart(count: int) -> None:
            if count == 15:
                server.kill()
                time.sleep(1)
                server.start()

        seen = watch(source, 30, restart)
        _went_on_once(seen, source)
        assert isinstance(source, HasStatus)
        assert source.status.state is LiveState.LIVE
    assert said(caplog.records, "is back after") == 1


def test_a_server_that_stands_still_for_longer_than_the_limit() -> None:
    patience = Patience(open_s=4, read_s=1, reconnect=8)
    with rtsp_server() as server, opened(server.url(), patience) as source:
        begun = 0.0

        def stop(count: int) -> None:
            nonlocal begun
            if count == 10:
                server.stop()
                threading.Timer(3, server.go_on).start()
                begun = time.monotonic()

        seen = watch(source, 30, stop)
        _went_on_once(seen, source)
        assert time.monotonic() - begun < 60


def test_a_server_that_stands_still_for_a_moment_is_stalled_and_goes_on() -> None:
    stalled: list[bool] = []
    with rtsp_server() as server, opened(server.url(), Patience(open_s=20, read_s=60)) as source:
        assert isinstance(source, HasStatus)

        def go_on() -> None:
            until(lambda: source.status.state is LiveState.STALLED, "the source is stalled")
            stalled.append(True)
            time.sleep(1)
            server.go_on()

        def stop(count: int) -> None:
            if count == 10:
                server.stop()
                threading.Thread(target=go_on).start()

        seen = watch(source, 20, stop)
        assert stalled
        assert source.status.state is LiveState.LIVE
        assert source.losses.reconnects == 0
        steps = [(after.pts - before.pts, after.number, before.number) for before, after in pairwise(seen)]
        longest, after, before = max(steps)
        assert longest > 1.5
        assert abs(longest - Fraction((after or 0) - (before or 0), 25)) < Fraction(1, 2)


def test_a_cable_that_is_pulled_and_plugged_in_again() -> None:
    patience = Patience(open_s=3, read_s=1, reconnect=12)
    with (
        cable() as line,
        rtsp_server(host=line.host, within=line.within) as server,
        opened(server.url(), patience) as source,
    ):

        def pull(count: int) -> None:
            if count == 10:
                line.pull()
                threading.Timer(3, line.plug).start()

        _went_on_once(watch(source, 30, pull), source)


def test_other_pictures_after_a_restart_are_brought_to_the_size_of_the_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes = []
    with rtsp_server() as server, opened(server.url()) as source:
        for count, frame in enumerate(source.frames(), 1):
            sizes.append((frame.picture.width, frame.picture.height))
            if count == 5:
                server.kill()
                server.start(Mount(width=640, height=480, codec="h265"))
            if count == 12:
                break
        assert source.losses.reconnects == 1
    assert set(sizes) == {(320, 240)}
    assert said(caplog.records, "now sends pictures of 640×480: scaled to 320×240") == 1


def test_another_size_in_the_middle_of_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    with rtsp_server() as server, opened(server.url()) as source:
        pictures: list[Picture] = []
        for count, frame in enumerate(source.frames(), 1):
            pictures.append(frame.picture)
            if count == 5:
                server.resize(640, 360)
            if said(caplog.records, "now sends pictures of 640×360") or count == 500:
                break
        assert len(pictures) < 500
        assert {(each.width, each.height) for each in pictures} == {(320, 240)}
        assert source.losses.reconnects == 0


def test_a_server_that_does_not_come_back_is_given_up() -> None:
    patience = dataclasses.replace(QUICK, reconnect=1)
    with (
        rtsp_server() as server,
        opened(server.url(), patience) as source,
        pytest.raises(SourceError, match="refuses connections → look whether it is on"),
    ):
        watch(source, 100, lambda count: server.kill() if count == 5 else None)


def test_fifty_reconnects_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_MOST_S", 0.05)
    forever = dataclasses.replace(QUICK, reconnect=None)
    before, sizes, files = set(threading.enumerate()), [], []
    with rtsp_server(Mount(codec="mjpeg")) as server, opened(server.url(), forever) as source:
        last = 0
        for frame in source.frames():
            if frame.connection == last:
                last += 1
                server.cut()
                sizes.append(resident())
                files.append(descriptors())
            if last == 51:
                break
        assert source.losses.reconnects == 50
    assert not left_behind(before)
    assert max(files[10:]) <= max(files[:10]) + 2
    assert max(sizes[10:]) < max(sizes[:10]) + 30e6


def _went_on_once(seen: list[Seen], source: Source) -> None:
    """One outage, counted once; numbers, indices and times tell the same gap."""
    assert source.losses.reconnects == 1
    assert {each.connection for each in seen} == {0, 1}
    places = [place for place, each in enumerate(seen) if each.outage is not None]
    assert len(places) == 1
    before, after = seen[places[0] - 1], seen[places[0]]
    assert after.outage is not None
    truth = (after.number or 0) - (before.number or 0)
    assert truth > 5
    assert abs((after.index - before.index) - truth) <= 25  # a second: on a busy machine pictures arrive late
    assert abs(after.pts - before.pts - Fraction(truth, 25)) < 1
    assert after.outage.lost <= after.index - before.index - 1 <= after.outage.lost + 1  # one may have come in halves
    assert after.outage.lost <= source.losses.lost <= after.outage.lost + 1
    assert len(off(seen[: places[0]])) == 1
    assert len(off(seen[places[0] :])) == 1
