"""Whom a TLS connection is made to: a certificate that this machine trusts, or ``#insecure`` behind the address.

The same for what is watched and for where a stream is pushed.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from pathlib import Path

from contracts.errors import UsageError
from contracts.secrets import only_host
from contracts.text import did_you_mean

INSECURE = "insecure"
"""The fragment of an address whose certificate is not looked at; a fragment never reaches a server."""
NO_LIST = "this machine has no list of trusted certificates"
NO_LIST_CURE = f"name it in SSL_CERT_FILE, or put #{INSECURE} behind the address of your own device"
ENCODE = "write what is special in a user name or password as %XX (# is %23, / is %2F, ? is %3F), or put it in ${NAME}"
_LISTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def without_mark(uri: str, secure: Collection[str]) -> tuple[str, bool]:
    """The address without its fragment, and whether that was ``#insecure``. secure: the schemes that may have it.

    Raises UsageError; it names no secret.
    """
    bare, _, fragment = uri.partition("#")
    if "@" in fragment:
        raise UsageError(f"{only_host(uri)!r}: a # ends the address", ENCODE)
    if fragment and fragment != INSECURE:
        what = f"what stands behind the # in the address at {only_host(uri)!r} says nothing"
        raise UsageError(what, did_you_mean(fragment, [INSECURE]))
    if fragment and bare.partition("://")[0].lower() not in secure:
        raise UsageError(f"#{INSECURE} is for {' and '.join(f'{scheme}://' for scheme in secure)}", "leave it out")
    return bare, bool(fragment)


def trusted_list() -> str | None:
    """The file with the certificates this machine trusts (FFmpeg's build knows none); None where there is none."""
    named = ssl.get_default_verify_paths().cafile
    return next((path for path in (named, *_LISTS) if path and Path(path).is_file()), None)


def greet(host: str, port: int, trusted: str, limit_s: float) -> None:
    """A TLS handshake and no more: FFmpeg says of a certificate nobody trusts that there was an input/output error.

    trusted: file of certificates. limit_s: to connect to one of its addresses, then for each wait. Raises OSError;
    ssl.SSLCertVerificationError says why.
    """
    context = ssl.create_default_context(cafile=trusted)
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    with socket.create_connection((host, port), limit_s / len(addresses)) as plain:
        plain.settimeout(limit_s)
        context.wrap_socket(plain, server_hostname=host).close()


def trouble(fault: ssl.SSLError) -> tuple[str, str]:
    """What the other side does wrong, to stand behind its name, and the cure."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        what = f"shows a certificate that cannot be trusted: {fault.verify_message}"
        return what, f"if this is your own device, put #{INSECURE} behind the address; else do not go on"
    return "does not speak TLS", "look at the port, or write the scheme without its s"
