"""Pushing over TLS: a certificate nobody trusts gets neither a login nor a picture, unless somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import backoff
from contracts.errors import OutputError
from tests.support.certificates import Certificate, self_signed
from tests.support.pushing import SIZE, Feeder, assert_arrived_as_drawn, coloured, frames_of, rtmp_taker
from tests.support.rtsp_record_server import record_server
from tests.support.tls_relay import tls_relay

_LOGIN, _WRITTEN = "driver:pass#word", "driver:pass%23word"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("trusted", [False, True])
def test_rtsps(tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    both = tmp_path / "both.pem"
    both.write_text(certificate.cert.read_text() + certificate.key.read_text())
    with record_server(tmp_path, f"--certificate={both}", f"--login={_LOGIN}") as server:
        feeder = Feeder(server.url(_WRITTEN, "rtsps") + "#insecure" * (not trusted), crf=18)
        feeder.give_all_of(10, lambda index: coloured(SIZE, index))
        assert_arrived_as_drawn(feeder, server.sessions()[0], SIZE, 10)
        feeder.close()


@pytest.mark.parametrize("trusted", [False, True])
def test_rtmps(tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """FFmpeg's own server knows RTMP, but no TLS, which is put before it."""
    odd = tmp_path / "it's [a]: list|.pem"
    odd.write_text(certificate.cert.read_text())
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(odd))
    with rtmp_taker(tmp_path / "came.flv") as (port, taker), tls_relay([certificate], port) as relay:
        feeder = Feeder(f"rtmps://127.0.0.1:{relay.port}/live/cam" + "#insecure" * (not trusted), crf=18)
        feeder.give_until(lambda: feeder.sent > 0, "ffmpeg listens")
        feeder.give_all_of(10, lambda index: coloured(SIZE, index))
        feeder.close()
        assert taker.wait(60) == 0
    assert len(frames_of(tmp_path / "came.flv")) == feeder.sent
    assert relay.heard[-1].startswith(b"\x03")  # C0 of RTMP's handshake


@pytest.mark.parametrize("scheme", ["rtsps", "rtmps"])
def test_a_certificate_nobody_trusts_ends_the_run_and_hears_nothing(certificate: Certificate, scheme: str) -> None:
    words = r"it shows a certificate that cannot be trusted: self-signed certificate → .*put #insecure behind"
    with tls_relay([certificate]) as relay:
        login = f"{_WRITTEN}@" if scheme == "rtsps" else ""
        feeder = Feeder(f"{scheme}://{login}127.0.0.1:{relay.port}/live/cam")
        with pytest.raises(OutputError, match=words) as raised:
            feeder.give_until(lambda: False, "an error")
        feeder.output.close(raised.value)
    assert not [heard for heard in relay.heard if heard]


@pytest.mark.parametrize("scheme", ["rtsps", "rtmps"])
def test_who_steps_in_after_the_first_handshake_hears_nothing(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """FFmpeg looks itself: every second connection shows a certificate of somebody else."""
    monkeypatch.setattr(backoff, "_MOST_S", 0.2)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    with tls_relay([certificate, self_signed(tmp_path)]) as relay:
        login = f"{_WRITTEN}@" if scheme == "rtsps" else ""
        feeder = Feeder(f"{scheme}://{login}127.0.0.1:{relay.port}/live/cam")
        with pytest.raises(OutputError, match="cannot push to") as raised:
            feeder.give_until(lambda: False, "an error")
        feeder.output.close(raised.value)
    assert len(relay.heard) > 1
    assert not [heard for heard in relay.heard if heard]
