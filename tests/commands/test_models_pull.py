"""``models pull``: from a server to a network that runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from commands import models
from contracts.card import Card
from contracts.errors import EngineError
from engines import cards
from engines.open import open_engine
from engines.releases import registered_cards
from tests.engines import tiny
from tests.support.networks import box_network, mask_network
from tests.support.program import command, run_stream
from tests.support.waiting import until
from tests.support.web import Site, proxy, site

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home and a network of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of ``configs/networks``."""
    folder = tmp_path / "registered"
    folder.mkdir()
    monkeypatch.setattr(cards, "REGISTERED", folder)
    return folder


def register(folder: Path, host: Site, *, known: bool = True) -> None:
    """A card of the mask network at ``host``."""
    card: dict[str, object] = {
        "name": "red-area",
        "input": {"fit": "stretch"},
        "heads": [{"name": "drivable", "kind": "two_class_mask", "role": "drivable", "outputs": ["mask"]}],
        "licence": "MIT",
        "url": host.url,
    }
    if known:
        card |= {"bytes": len(host.body), "sha256": [hashlib.sha256(host.body).hexdigest()]}
    (folder / "red-area.yaml").write_text(yaml.safe_dump(card))


@pytest.mark.parametrize("known", [True, False])
def test_what_was_pulled_runs_without_a_word(tmp_path: Path, registered: Path, capsys: Captured, known: bool) -> None:
    body = mask_network(tmp_path / "made.onnx", card=False).read_bytes()
    with site(body) as host:
        register(registered, host, known=known)
        assert models.main(["pull", "red-area"]) == 0
        first = capsys.readouterr()
        assert models.main(["pull", "red-area"]) == 0
        second = capsys.readouterr()
        assert len(host.requests) == 1
    path = tmp_path / "home" / "roadstream" / "networks" / "red-area.onnx"
    assert first.out == second.out == f"{path}\n"
    assert "licence: MIT" in first.err
    assert ("checksum unknown" in first.err) is not known
    assert "\r" not in first.err
    assert "was there already" in second.err
    assert path.with_suffix(".card.yaml").exists() is not known
    engine = open_engine(tiny.config(path))
    assert (engine.card.name, engine.card.heads[0].role) == ("red-area", "drivable")
    engine.close()


def test_a_folder_of_one_s_own_and_a_card_of_one_s_own(tmp_path: Path, registered: Path, capsys: Captured) -> None:
    body = mask_network(tmp_path / "made.onnx", card=False).read_bytes()
    mine = tmp_path / "mine" / "red-area.card.yaml"
    mine.parent.mkdir()
    mine.write_text("name: mine")
    with site(body) as host:
        register(registered, host, known=False)
        assert models.main(["pull", "red-area", "--output", str(mine.parent), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{mine.parent / 'red-area.onnx'}\n"
    assert mine.read_text() == "name: mine"


@pytest.mark.parametrize("body", ["another network", "no network"])
def test_a_file_nobody_verified_must_at_least_fit_its_card(tmp_path: Path, registered: Path, body: str) -> None:
    other = box_network(tmp_path / "other.onnx", card=False).read_bytes()
    with site(other if body == "another network" else b"something else\n" * 9) as host:
        register(registered, host, known=False)
        with pytest.raises(EngineError, match="mask" if body == "another network" else "damaged"):
            models.main(["pull", "red-area"])
    assert list((tmp_path / "home" / "roadstream" / "networks").iterdir()) == []


def test_offline_is_said_in_one_line(tmp_path: Path) -> None:
    """No name server answers for these here; the proxy that is told to be one is not there."""
    nobody = {**os.environ, "https_proxy": "http://127.0.0.1:9", "XDG_DATA_HOME": str(tmp_path)}
    done = run_stream("models", "pull", "yolov10n", environment=nobody)
    assert (done.code, done.out) == (3, "")
    assert "cannot fetch from github.com" in done.err.splitlines()[-1]
    assert "HTTPS_PROXY" in done.err.splitlines()[-1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that a test can trust, for the host of the published files."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    folder = tmp_path_factory.mktemp("tls")
    host = "raw.githubusercontent.com"
    what = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *what, *files], check=True, capture_output=True
    )
    return folder / "cert.pem"


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.mark.shared
def test_the_published_file_through_a_proxy_over_tls_interrupted_and_resumed(
    shared: Path, tmp_path: Path, certificate: Path
) -> None:
    """The real card, address, bytes and hash of TwinLiteNet; only the host is one of ours behind a tunnel."""
    body = (shared / "weights" / "twinlitenet.onnx").read_bytes()
    with site(body, tls=_tls(certificate), cuts=[1_000_000], stall=True) as host, proxy() as between:
        place = urlsplit(host.url)
        between.tunnel_to = (str(place.hostname), int(place.port or 0))
        environment = {**os.environ, "https_proxy": f"http://{between.address}", "XDG_DATA_HOME": str(tmp_path)}
        pull = ["models", "pull", "twinlitenet"]
        untrusted = run_stream(*pull, environment=environment)
        assert (untrusted.code, host.requests) == (3, [])
        assert "cannot prove who it is" in untrusted.err
        environment["SSL_CERT_FILE"] = str(certificate)
        part = tmp_path / "roadstream" / "networks" / "twinlitenet.part.onnx"
        process = subprocess.Popen(command(*pull), env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        until(lambda: part.exists() and part.stat().st_size == 1_000_000, "a part of it is here")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (130, b""), err
        assert b"again resumes it" in err
        done = run_stream(*pull, environment=environment)
    assert done.code == 0, done.err
    assert host.requests[-1]["Range"] == "bytes=1000000-"
    assert set(between.asked) == {"CONNECT raw.githubusercontent.com:443"}
    file = Path(done.out.strip())
    assert file.read_bytes() == body
    assert [path.name for path in file.parent.iterdir()] == ["twinlitenet.onnx"]
    ran = run_stream(
        "synthetic:?seconds=1&size=64x64", "--max-frames", "2", "--engine", file, "--events", tmp_path / "e.jsonl"
    )
    assert ran.code == 0, ran.err


@pytest.mark.shared
def test_files_that_lie_here_are_what_their_cards_say(shared: Path) -> None:
    checked = 0
    for card in registered_cards():
        file = shared / "weights" / f"{card.name}.onnx"
        if file.exists() and card.url is not None:
            assert card.bytes == file.stat().st_size
            assert card.sha256 == (hashlib.sha256(file.read_bytes()).hexdigest(),)
            checked += 1
    assert checked == 2


def test_public_addresses_are_pinned_and_sizes_known_where_hashes_are() -> None:
    """A branch moves; a commit or a release's tag does not."""
    for card in registered_cards():
        if card.url is None:
            continue
        steps = urlsplit(card.url).path.split("/")
        if urlsplit(card.url).hostname == "raw.githubusercontent.com":
            assert len(steps[3]) == 40, card.name
            assert int(steps[3], 16), card.name
        else:
            assert steps[3:5] == ["releases", "download"], card.name
        assert urlsplit(card.url).scheme == "https"
        assert (card.bytes is None) == (not card.sha256), card.name
        assert card.figures, card.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "ftp://a.example/x.onnx"}, "not http"),
        ({"url": "https://me:secret@a.example/x.onnx"}, "without a user"),
        ({"url": "https://"}, "not http"),
        ({"url": "https://[::1/x"}, "url"),
        ({"url": "https://a.example/x.xml", "sha256": ["0" * 64, "1" * 64]}, "one file"),
        ({"bytes": 0}, "bytes"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_by_the_card(change: dict[str, object], message: str) -> None:
    text = yaml.safe_dump({"name": "x", "heads": [{"name": "a", "kind": "yolo_boxes"}], **change})
    with pytest.raises(EngineError, match=message):
        Card.from_yaml(text, "test")
