"""Downloads from servers on this machine: resumed, checked, bounded, and never over anybody's file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import EngineError, OutputError, RoadStreamError, SourceError, UsageError
from engines import download as module
from engines.download import download
from engines.releases import Release
from tests.support.disks import small_disk
from tests.support.web import proxy, site

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies of this machine, no pauses."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)


def release(url: str, body: bytes = BODY, *, known: bool = True) -> Release:
    digest = hashlib.sha256(body).hexdigest()
    return Release("net", url, len(body) if known else None, digest if known else None)


def part(folder: Path, content: bytes, url: str, validator: str | None = '"one"') -> None:
    """What an interrupted run leaves."""
    (folder / "net.part.onnx").write_bytes(content)
    (folder / "net.part.json").write_text(json.dumps({"url": url, "validator": validator}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("known", [True, False])
def test_a_file_arrives_whole_under_the_card_s_name(tmp_path: Path, known: bool) -> None:
    seen: list[tuple[int, int | None]] = []
    with site(BODY) as host:
        fetched = download(release(host.url, known=known), tmp_path / "new" / "folder", lambda *at: seen.append(at))
    assert fetched.path == tmp_path / "new" / "folder" / "net.onnx"
    assert (fetched.path.read_bytes(), fetched.verified, fetched.new) == (BODY, known, True)
    assert names(fetched.path.parent) == ["net.onnx"]
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_there_is_not_fetched_again_and_another_file_is_left_alone(tmp_path: Path) -> None:
    with site(BODY) as host:
        (tmp_path / "net.onnx").write_bytes(BODY)
        assert not download(release(host.url), tmp_path).new
        (tmp_path / "net.onnx").write_bytes(b"mine")
        with pytest.raises(UsageError, match="another file"):
            download(release(host.url), tmp_path)
        assert not download(release(host.url, known=False), tmp_path).verified
        assert host.requests == []
    assert (tmp_path / "net.onnx").read_bytes() == b"mine"
    assert names(tmp_path) == ["net.onnx"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("cuts", [[0], [1], [100_000, 50_000], [299_999], [70_000, 0, 0, 70_000]], ids=str)
def test_a_lost_connection_is_taken_up_where_it_broke(tmp_path: Path, known: bool, cuts: list[int | None]) -> None:
    with site(BODY, cuts=cuts) as host:
        if cuts == [0]:  # not a byte: told at once, without trying for long
            with pytest.raises(SourceError):
                download(release(host.url, known=known), tmp_path)
        assert download(release(host.url, known=known), tmp_path).path.read_bytes() == BODY
    ranges = [request.get("Range") for request in host.requests]
    moved = [sum(cut or 0 for cut in cuts[:number]) for number in range(len(ranges))]
    assert ranges == [f"bytes={start}-" if start else None for start in moved]
    assert all(("If-Range" in request) == ("Range" in request) for request in host.requests)


def test_a_server_that_loses_every_connection_ends_with_what_came_kept(tmp_path: Path) -> None:
    with site(BODY, cuts=[1000, 0, 0, 0, 0, 0]) as host:
        with pytest.raises(SourceError, match=r"connection was lost.*net\.part\.onnx is kept"):
            download(release(host.url), tmp_path)
        assert len(host.requests) == 4
        assert (tmp_path / "net.part.onnx").stat().st_size == 1000
        host.cuts = []
        assert download(release(host.url), tmp_path).path.read_bytes() == BODY
    assert names(tmp_path) == ["net.onnx"]


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with site(BODY, cuts=[5000, 0, 0, 0, 0], stall=True) as host, pytest.raises(SourceError, match="timed out"):
        download(release(host.url), tmp_path, timeout_s=0.2)
    assert (tmp_path / "net.part.onnx").read_bytes() == BODY[:5000]


def test_a_server_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WINDOW_S", 0.0)
    monkeypatch.setattr(module, "_LEAST_BYTES", 1 << 20)
    with site(BODY) as host, pytest.raises(SourceError, match="fewer than 1048576 bytes"):
        download(release(host.url, known=False), tmp_path)


def test_an_interrupted_download_is_resumed_by_the_next_run(tmp_path: Path) -> None:
    def interrupt(done: int, _total: int | None) -> None:
        if done >= 100_000:
            raise KeyboardInterrupt

    with site(BODY) as host:
        with pytest.raises(KeyboardInterrupt):
            download(release(host.url, known=False), tmp_path, interrupt)
        kept = (tmp_path / "net.part.onnx").stat().st_size
        assert 100_000 <= kept < len(BODY)
        assert download(release(host.url, known=False), tmp_path).path.read_bytes() == BODY
        assert host.requests[1]["Range"] == f"bytes={kept}-"


@pytest.mark.parametrize(
    ("known", "validator", "change", "asks"),
    [
        (True, '"one"', {}, True),
        (True, None, {"etag": None}, True),  # without a validator the hash tells
        (False, None, {"etag": None}, False),
        (False, '"one"', {"etag": '"two"'}, True),  # changed: comes whole
        (False, '"one"', {"ranges": False}, True),
        (False, "Sat, 21 Nov 2026 10:00:00 GMT", {"etag": None, "modified": "Sat, 21 Nov 2026 10:00:00 GMT"}, True),
        (False, "Sat, 21 Nov 2026 09:00:00 GMT", {"etag": None, "modified": "Sat, 21 Nov 2026 10:00:00 GMT"}, True),
    ],
)
def test_a_part_is_used_only_while_the_server_has_the_same_file(
    tmp_path: Path, known: bool, validator: str | None, change: dict[str, Any], asks: bool
) -> None:
    with site(BODY, **change) as host:
        same = known or (validator in (host.etag, host.modified) and host.ranges and validator is not None)
        part(tmp_path, BODY[:1000] if same else OTHER[:1000], host.url, validator)
        assert download(release(host.url, known=known), tmp_path).path.read_bytes() == BODY
    assert [("Range" in request) for request in host.requests] == [asks]


LEFTOVERS = st.fixed_dictionaries(
    {
        "kept": st.integers(0, 1500),
        "note": st.sampled_from(['"one"', '"old"', None]),
        "wrong": st.booleans(),
        "known": st.booleans(),
        "ranges": st.booleans(),
    }
)


@given(LEFTOVERS)
@settings(max_examples=40, deadline=None)
def test_whatever_lies_there_the_published_bytes_come_out(tmp_path_factory: pytest.TempPathFactory, left: Any) -> None:
    """A part of any length and content; that its note lies about it can only be seen where the hash is known."""
    folder, body = tmp_path_factory.mktemp("any"), BODY[:1000]
    wrong = left["wrong"] and (left["known"] or left["note"] != '"one"')
    with site(body, ranges=left["ranges"]) as host:
        part(folder, (OTHER if wrong else body + OTHER)[: left["kept"]], host.url, left["note"])
        assert download(release(host.url, body, known=left["known"]), folder).path.read_bytes() == body
    assert names(folder) == ["net.onnx"]


def test_a_part_of_another_address_starts_again_and_a_foreign_one_is_not_touched(tmp_path: Path) -> None:
    with site(BODY) as host:
        part(tmp_path, BODY[:1000], "http://elsewhere.example/net.onnx")
        assert download(release(host.url), tmp_path).path.read_bytes() == BODY
        assert "Range" not in host.requests[0]
        other = tmp_path / "other"
        other.mkdir()
        (other / "net.part.onnx").write_bytes(b"somebody's")
        with pytest.raises(UsageError, match="not of our making"):
            download(release(host.url), other)
        assert (other / "net.part.onnx").read_bytes() == b"somebody's"
        (other / "net.part.onnx").unlink()
        (other / "precious").write_bytes(b"precious")
        (other / "net.part.onnx").symlink_to("precious")
        with pytest.raises(OutputError):
            download(release(host.url), other)
        assert (other / "precious").read_bytes() == b"precious"


def test_two_runs_do_not_write_into_one_another(tmp_path: Path) -> None:
    refused: list[RoadStreamError] = []

    def second(done: int, _total: int | None) -> None:
        if done and not refused:
            with pytest.raises(UsageError, match="another run") as caught:
                download(release(host.url), tmp_path)
            refused.append(caught.value)

    with site(BODY) as host:
        assert download(release(host.url), tmp_path, second).path.read_bytes() == BODY
    assert refused


def test_a_target_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    def appear(_done: int, _total: int | None) -> None:
        (tmp_path / "net.onnx").write_bytes(b"mine")

    with site(BODY) as host, pytest.raises(UsageError, match="appeared meanwhile"):
        download(release(host.url), tmp_path, appear)
    assert (tmp_path / "net.onnx").read_bytes() == b"mine"


def test_wrong_bytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    with site(OTHER) as host, pytest.raises(EngineError, match="not the file that was published") as caught:
        download(release(host.url), tmp_path)
    assert caught.value.exit_code == 4
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.message
    assert names(tmp_path) == []


def test_a_file_that_is_not_accepted_is_not_kept(tmp_path: Path) -> None:
    def accept(file: Path) -> None:
        assert file.read_bytes() == BODY
        assert file.suffix == ".onnx"
        raise EngineError("does not fit")

    with site(BODY) as host, pytest.raises(EngineError, match="does not fit"):
        download(release(host.url), tmp_path, accept=accept)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "known", "error", "words"),
    [
        ({"status": 404}, True, EngineError, "404"),
        ({"status": 410}, True, EngineError, "410"),
        ({"status": 403}, True, SourceError, "403"),
        ({"status": 429}, True, SourceError, "429"),
        ({"status": 503}, True, SourceError, "503"),
        ({"headers": {"Content-Type": "text/html; charset=utf-8"}}, True, SourceError, "web page"),
        ({"headers": {"Content-Encoding": "gzip"}}, True, SourceError, "packed"),
        ({"headers": {"Content-Length": "5"}}, True, EngineError, "5 bytes, not the 300000"),
        ({"headers": {"Content-Length": "300001"}}, True, EngineError, "300001 bytes"),
        ({"headers": {"Content-Length": "9999999999"}}, False, EngineError, "more than a network"),
        ({"headers": {"Content-Length": "many"}}, False, EngineError, "how long"),
        ({"headers": {"Content-Length": "-3"}}, False, EngineError, "how long"),
        ({"headers": {"Content-Length": None}}, False, EngineError, "how long"),
        ({"redirect": "file:///etc/passwd"}, True, EngineError, "302"),
        ({"redirect": "ftp://127.0.0.1/net.onnx"}, True, EngineError, "ftp"),
        ({"redirect": "/files/net.onnx"}, True, EngineError, "302"),
    ],
    ids=str,
)
def test_nonsense_is_refused_with_a_cure(
    tmp_path: Path, options: dict[str, Any], known: bool, error: type[RoadStreamError], words: str
) -> None:
    with site(BODY, **options) as host, pytest.raises(error, match=words) as caught:
        download(release(host.url, known=known), tmp_path)
    assert caught.value.cure
    assert type(caught.value) is error
    assert names(tmp_path) == []


@pytest.mark.parametrize("length", [None, "many"])
def test_a_server_that_does_not_say_the_length_is_fine_where_the_card_does(tmp_path: Path, length: str | None) -> None:
    with site(BODY, headers={"Content-Length": length}) as host:
        assert download(release(host.url), tmp_path).path.read_bytes() == BODY
    with (
        site(BODY + b"more", headers={"Content-Length": length}) as host,
        pytest.raises(EngineError, match="more than 300000 bytes"),
    ):
        download(release(host.url), tmp_path / "more")


def test_a_redirect_is_followed_and_keeps_the_range(tmp_path: Path) -> None:
    with site(BODY) as store, site(redirect=store.url) as host:
        part(tmp_path, BODY[:1000], host.url)
        assert download(release(host.url), tmp_path).path.read_bytes() == BODY
        assert store.requests[0]["Range"] == "bytes=1000-"


def test_no_way_down_from_https_to_http() -> None:
    from email.message import Message
    from io import BytesIO
    from urllib.request import Request

    from engines.fetch import _Redirects

    request = Request("https://safe.example/net.onnx")
    with pytest.raises(EngineError, match="http://"):
        _Redirects().redirect_request(request, BytesIO(), 302, "", Message(), "http://safe.example/net.onnx")


def test_a_port_nobody_listens_at_and_a_host_without_a_name(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/net.onnx"
        with pytest.raises(SourceError, match="cannot fetch from 127") as caught:
            download(release(url), tmp_path)
    assert "HTTPS_PROXY" in caught.value.cure
    with pytest.raises(SourceError, match="cannot fetch from nowhere"):
        download(release("https://nowhere.invalid/net.onnx"), tmp_path)
    assert names(tmp_path) == []


def test_an_answer_that_is_no_http(tmp_path: Path) -> None:
    with _line_server(b"SSH-2.0-OpenSSH_9.6\r\n") as port, pytest.raises(SourceError, match="cannot fetch from"):
        download(release(f"http://127.0.0.1:{port}/net.onnx"), tmp_path)


@contextmanager
def _line_server(line: bytes) -> Iterator[int]:
    """Answers the first connection with a line of another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(line)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_a_proxy_of_the_environment_is_used_but_not_for_its_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(BODY) as host, proxy() as between:
        monkeypatch.setenv("http_proxy", f"http://{between.address}")
        assert download(release(host.url), tmp_path / "through").path.read_bytes() == BODY
        assert between.asked == [f"GET {host.url}"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert download(release(host.url), tmp_path / "past").path.read_bytes() == BODY
        assert len(between.asked) == 1


def test_a_proxy_with_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(BODY) as host, proxy(login="Basic bWU6c2VjcmV0") as between:
        monkeypatch.setenv("http_proxy", f"http://{between.address}")
        with pytest.raises(SourceError, match="407") as caught:
            download(release(host.url), tmp_path)
        assert "USER:PASSWORD" in caught.value.cure
        monkeypatch.setenv("https_proxy", f"http://me:wrong@{between.address}")
        with pytest.raises(SourceError, match="407") as caught:
            download(release("https://files.example/net.onnx"), tmp_path)
        assert "wrong" not in str(caught.value)
        assert "USER:PASSWORD" in caught.value.cure
        monkeypatch.setenv("http_proxy", f"http://me:secret@{between.address}")
        assert download(release(host.url), tmp_path).path.read_bytes() == BODY


@pytest.mark.parametrize("setting", ["socks5://127.0.0.1:1", "http://", "http://127.0.0.1:port", "nonsense"])
def test_a_proxy_setting_that_makes_no_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("http_proxy", setting)
    with pytest.raises(SourceError, match="cannot fetch from"):
        download(release("http://files.example/net.onnx"), tmp_path, timeout_s=2)


def test_a_full_disk_is_told_before_the_first_byte(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200_000) as disk, site(BODY) as host:
        with pytest.raises(OutputError, match="are free"):
            download(release(host.url), disk)
        assert names(disk) == []


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 400_000) as disk, site(BODY) as host:

        def fill(done: int, _total: int | None) -> None:
            if 0 < done < 80_000:
                (disk / "filler").write_bytes(bytes(150_000))

        with pytest.raises(OutputError, match="disk full"):
            download(release(host.url), disk, fill)
        (disk / "filler").unlink()
        assert (disk / "net.part.onnx").stat().st_size > 0
        assert download(release(host.url), disk).path.read_bytes() == BODY


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with site(BODY) as host, pytest.raises(OutputError, match="cannot write"):
        download(release(host.url), tmp_path / "file" / "folder")
