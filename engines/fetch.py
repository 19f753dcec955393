"""One HTTP(S) request at a time, through the proxies of the environment, with every wait bounded.

The standard library's urllib does what is needed (proxies, NO_PROXY, TLS, redirects, ranges); a package more would
bring its own rules for proxies and certificates and nothing that is used here.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from contracts.errors import EngineError, RoadStreamError, SourceError
from contracts.text import reason_of

FAULTS = (OSError, HTTPException)
"""What goes wrong on the way: no network, a lost connection, a silent server, a proxy's or server's nonsense."""

_PERMANENT = "the file is not there any more; see whether its authors moved it"
_PROXY_LOGIN = "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
_CURES = {
    401: "the server wants a login, which public files do not",
    403: "the server refuses; a firewall on the way may, too",
    407: _PROXY_LOGIN,
    429: "too many requests: try again later",
}


class _Redirects(HTTPRedirectHandler):
    """Follows redirects (ten at most), but only to web addresses and never from https down to http."""

    def redirect_request(  # noqa: PLR0917  # urllib's own
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """The next request; raises EngineError where the server leads astray."""
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            fp.close()
            raise EngineError(f"{host_of(req.full_url)} redirects to {scheme}://, which is not followed", _PERMANENT)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def get(url: str, headers: Mapping[str, str], timeout_s: float) -> HTTPResponse:
    """The response to a GET, its body unread; the caller closes it. ``timeout_s`` bounds each wait for the network.

    Raises one of FAULTS; an HTTPError among them (an OSError) is an answer with another status than success.
    """
    opener = OpenerDirector()  # not build_opener(): that one would read file:// and ftp:// too
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(context=ssl.create_default_context()),
        _Redirects(),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    headers = {"User-Agent": "roadstream", "Accept-Encoding": "identity", **headers}
    request = Request(url, headers=headers)  # noqa: S310  # this opener knows http and https only
    try:
        response = opener.open(request, timeout=timeout_s)
    except HTTPError as fault:
        fault.close()  # its body is of no interest, its connection is open
        raise
    except ValueError as fault:  # a port that is no number, a proxy address without a host …
        raise URLError(str(fault)) from fault
    if not isinstance(response, HTTPResponse):
        raise URLError("a proxy setting or an address of an unknown kind")
    return response


def host_of(url: str) -> str:
    """The host of an address, all that messages say of it."""
    return urlsplit(url).hostname or url


def may_pass(fault: Exception) -> bool:
    """Whether trying again soon may help."""
    if isinstance(fault, HTTPError):
        return fault.code >= 500
    cause = fault.reason if isinstance(fault, URLError) else fault
    return not isinstance(cause, (ssl.SSLCertVerificationError, str))


def explained(fault: Exception, url: str) -> RoadStreamError:
    """A fault for people: EngineError where the file is not to be had, SourceError where the network is at fault."""
    host = host_of(url)
    if isinstance(fault, HTTPError):
        gone = fault.code in (404, 410) or fault.code < 400  # below: redirects to nowhere, in circles
        cure = _PERMANENT if gone else _CURES.get(fault.code, "try again later")
        return (EngineError if gone else SourceError)(f"{host} answered {fault.code} {fault.reason}", cure)
    cause = fault.reason if isinstance(fault, URLError) else fault
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SourceError(
            f"{host} cannot prove who it is: {cause.verify_message}",
            "a proxy that reads along? Give its certificates in SSL_CERT_FILE",
        )
    reason = cause if isinstance(cause, str) else reason_of(cause)
    if "Tunnel connection failed: 407" in reason:
        return SourceError(f"cannot fetch from {host}: {reason}", _PROXY_LOGIN)
    return SourceError(
        f"cannot fetch from {host}: {reason}",
        "check the network, or set HTTPS_PROXY; a file fetched elsewhere works as well",
    )
