"""HTTP from real servers: files of which every picture comes once, and streams that come and go."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from urllib.parse import urlsplit

import pytest

from contracts import backoff
from contracts.errors import SourceError, UsageError
from contracts.live import HasStatus, LiveState, Patience
from sources.live.connection import Fault
from sources.live.reader import ConnectionReader
from sources.open import open_source
from tests.support.certificates import Certificate, self_signed
from tests.support.live_web import live_web
from tests.support.numbered_video import RATE, jpeg, mp4
from tests.support.waiting import left_behind
from tests.support.watching import QUICK, assert_whole, descriptors, off, opened, resident, said, watch
from tests.support.web import proxy, site

pytestmark = pytest.mark.usefixtures("no_thread_stays")

LOGIN = ("bob", "p@ss:w/rd")
WRITTEN = "bob:p%40ss%3Aw%2Frd@"
COUNT = 120


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def clip() -> bytes:
    return mp4(COUNT)


@pytest.fixture(scope="module")
def large() -> bytes:
    """More than is read ahead."""
    return mp4(COUNT, noisy=True)


@pytest.mark.parametrize(("ranges", "fast_start"), [(True, True), (True, False), (False, True)])
def test_a_file_gives_every_picture_once_and_is_finished(fast_start: bool, ranges: bool) -> None:
    with site(mp4(COUNT, fast_start=fast_start, noisy=True), ranges=ranges) as host, opened(host.url) as source:
        assert not source.info.live
        assert source.info.frames == COUNT
        assert source.info.rate == RATE
        assert_whole(watch(source), COUNT)
        assert isinstance(source, HasStatus)
        assert source.status.state is LiveState.ENDED


def test_an_index_at_the_end_cannot_be_reached_without_parts() -> None:
    body = mp4(COUNT, fast_start=False, noisy=True)
    with site(body, ranges=False) as host, pytest.raises(Fault, match=r"gives no parts of files, and .* at its end"):
        open_source(host.url, patience=QUICK)


@pytest.mark.parametrize("stall", [False, True])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_is_cut_or_stalls_goes_on_where_it_was(
    large: bytes, ranges: bool, stall: bool, caplog: pytest.LogCaptureFixture
) -> None:
    third = len(large) // 3
    cuts = [third, None, third, None] if ranges else [third, 2 * third, None]  # with parts, each try asks twice
    patience = Patience(open_s=4, read_s=1, reconnect=8)
    with site(large, cuts=cuts, stall=stall, ranges=ranges) as host, opened(host.url, patience) as source:
        assert_whole(watch(source), COUNT)
        assert source.losses.reconnects == 2
        assert source.losses.lost == 0
        asked = [int(each.get("Range", "bytes=0-")[6:-1]) for each in host.requests]
        assert (max(asked) > len(large) // 4) is ranges
    assert said(caplog.records, "was cut off in the middle" if not stall else "has") >= 2


def test_a_file_that_cannot_be_had_to_its_end_is_a_failure(large: bytes) -> None:
    patience = Patience(open_s=10, read_s=5, reconnect=1)
    with site(large, cuts=[len(large) // 2] + [1000] * 9) as host, opened(host.url, patience) as source:
        counts: list[int] = []
        with pytest.raises(SourceError, match="was cut off in the middle → it goes on"):
            watch(source, after=counts.append)
    assert COUNT // 4 < len(counts) < COUNT


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(("start", "first"), [(1.0, RATE), (3.3, 83), (0.04, 1)])
def test_a_file_can_start_later(clip: bytes, start: float, first: int, ranges: bool) -> None:
    with site(clip, ranges=ranges) as host, opened(host.url, start=start) as source:
        seen = watch(source)
        assert [each.number for each in seen] == list(range(first, COUNT))
        assert seen[0].index == 0
        assert seen[0].pts == 0
        assert source.info.start == Fraction(first, RATE)


def test_a_start_behind_the_end_names_the_length(clip: bytes) -> None:
    with site(clip) as host, pytest.raises(SourceError, match=r"no frame from 99 s on → it is 4\.80 s long"):
        open_source(host.url, patience=QUICK, start=99)


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("tls", [False, True])
def test_logins(clip: bytes, certificate: Certificate, digest: bool, tls: bool) -> None:
    context = certificate.server_side() if tls else None
    with site(clip, tls=context, login=LOGIN, digest=digest) as host:
        with opened(host.url.replace("//", f"//{WRITTEN}") + "#insecure" * tls) as source:
            assert source.info.uri == host.url
            assert len(watch(source)) == COUNT
        asked = len(host.requests)
        with pytest.raises(Fault, match=r"refuses the login \(401\)") as caught:
            open_source(host.url.replace("//", "//bob:wrong@") + "#insecure" * tls, patience=QUICK)
        assert caught.value.again == "never"
        assert len(host.requests) == asked + 2  # without and with the login, once


def test_a_certificate_is_looked_at(clip: bytes, certificate: Certificate) -> None:
    words = r"cannot be trusted: self-signed certificate → .*#insecure"
    with site(clip, tls=certificate.server_side()) as host, pytest.raises(SourceError, match=words):
        open_source(host.url, patience=QUICK)


def test_a_login_stays_with_its_host(clip: bytes) -> None:
    with site(clip) as other, site(redirect=other.url) as host:
        with opened(host.url.replace("//", "//bob:secret@")) as source:
            assert len(watch(source)) == COUNT
        with site(clip, login=LOGIN) as third:
            host.redirect = third.url
            with pytest.raises(Fault, match="401"):
                open_source(host.url.replace("//", f"//{WRITTEN}"), patience=QUICK)
            assert all("Authorization" not in each for each in [*other.requests, *third.requests])


@pytest.mark.parametrize("tls", [False, True])
def test_through_a_proxy(clip: bytes, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    with site(clip, tls=certificate.server_side() if tls else None) as host:
        far = urlsplit(host.url)
        with proxy(tunnel_to=(far.hostname, far.port)) as between:
            monkeypatch.setenv(f"{far.scheme}_proxy", f"http://{between.address}")
            monkeypatch.setenv("no_proxy", "")
            with opened(host.url + "#insecure" * tls) as source:
                assert len(watch(source)) == COUNT
            assert between.asked


def test_one_picture() -> None:
    with site(jpeg(7), headers={"Content-Type": "image/jpeg"}) as host, opened(host.url) as source:
        assert [each.number for each in watch(source)] == [7]


@pytest.mark.parametrize("kind", ["mjpeg", "fragments"])
@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_stream_comes_back_after_it_was_cut(
    kind: str, login: tuple[str, str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    with live_web(kind=kind, login=login) as server, opened(server.url.replace("//", f"//{WRITTEN}")) as source:
        assert source.info.live

        def cut(count: int) -> None:
            if count == 20:
                server.generation += 1

        seen = watch(source, 40, cut)
        assert source.losses.reconnects == 1
        place = next(place for place, each in enumerate(seen) if each.outage is not None)
        before, after = seen[place - 1], seen[place]
        truth = (after.number or 0) - (before.number or 0)
        assert truth > 5
        assert abs(after.index - before.index - truth) <= RATE  # a second: on a busy machine pictures arrive late
        assert abs(after.pts - before.pts - Fraction(truth, RATE)) < 1
    assert said(caplog.records, "is back after") == 1


def test_a_stream_that_falls_silent_is_lost_and_found() -> None:
    patience = Patience(open_s=4, read_s=1, reconnect=8)
    with live_web() as server, opened(server.url, patience) as source:

        def hush(count: int) -> None:
            if count == 10:
                server.silent = True
                threading.Timer(2, setattr, (server, "silent", False)).start()

        seen = watch(source, 30, hush)
        assert source.losses.reconnects == 1
        assert len(seen) == 30


@pytest.mark.parametrize("tls", [False, True])
def test_a_silent_stream_is_let_go_at_once(tls: bool, certificate: Certificate) -> None:
    """Nobody waits for the limit, which is ten minutes here."""
    context = certificate.server_side() if tls else None
    with live_web(tls=context) as server, opened(server.url + "#insecure" * tls, Patience(600, 600)) as source:
        server.silent = True
        source.close()
        readers = [thread for thread in threading.enumerate() if isinstance(thread, ConnectionReader)]
        for reader in readers:
            reader.join(60)
        assert not [reader for reader in readers if reader.is_alive()]


def test_times_of_mjpeg_are_those_of_its_arrival() -> None:
    with live_web(rate=10) as server, opened(server.url) as source:
        assert source.info.rate is None
        seen = watch(source, 15)
        assert (seen[-1].number or 0) - (seen[0].number or 0) >= 14
        for each in seen:
            assert abs(each.pts - Fraction(each.arrival - seen[0].arrival, 10**9)) < Fraction(1, 25)


@pytest.mark.parametrize("kind", ["fragments"])
def test_a_stream_whose_body_says_that_it_is_complete_is_finished(kind: str) -> None:
    with live_web(kind=kind, pictures=25) as server, opened(server.url) as source:
        seen = watch(source)
        assert len(off(seen)) == 1
        assert source.losses.reconnects == 0
        assert isinstance(source, HasStatus)
        assert source.status.state is LiveState.ENDED


def test_a_stream_cannot_start_later() -> None:
    with live_web() as server, pytest.raises(UsageError, match="is live and cannot start later"):
        open_source(server.url, patience=QUICK, start=2)


def test_what_was_there_once_is_looked_for_again() -> None:
    with live_web() as server, opened(server.url) as source:

        def hide(count: int) -> None:
            if count == 10:
                server.status = 404
                server.generation += 1
                threading.Timer(1, setattr, (server, "status", None)).start()

        assert len(watch(source, 20, hide)) == 20
        assert source.losses.reconnects == 1


def test_fifty_reconnects_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_MOST_S", 0.05)
    before, sizes, files = set(threading.enumerate()), [], []
    with live_web() as server, opened(server.url, Patience(20, 5, None)) as source:
        last = 0
        for frame in source.frames():
            if frame.connection == last:
                last += 1
                server.generation += 1
                sizes.append(resident())
                files.append(descriptors())
            if last == 51:
                break
        assert source.losses.reconnects == 50
    time.sleep(0.1)
    assert not [name for name in left_behind(before) if "127.0.0.1" in name]
    assert max(files[10:]) <= max(files[:10]) + 4
    assert max(sizes[10:]) < max(sizes[:10]) + 30e6
