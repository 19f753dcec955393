"""Certificates made for a test, trusted by nobody."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a self-signed certificate for localhost and 127.0.0.1."""

    cert: Path
    key: Path

    def server_side(self) -> ssl.SSLContext:
        """What a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def self_signed(folder: Path) -> Certificate:
    """Make one; the test is skipped, with the reason, where openssl is missing."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    what = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *what, *files],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return made
