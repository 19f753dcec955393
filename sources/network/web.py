"""WebClient and Body: what HTTP gives, with its length kept, so that a body that was cut is told from one that ended.

It asks through the standard library and not through FFmpeg, which takes a cut chunked body and a frozen HLS list for
finished, trusts any certificate, and would open whatever a list from a stranger names.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPDigestAuthHandler,
    HTTPErrorProcessor,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
    parse_http_list,
    parse_keqv_list,
)

from sources.live.connection import Fault
from sources.live.waiting import Waits
from sources.network.address import NetworkAddress
from sources.network.faults import cut, web_fault
from sources.network.webconnection import HttpHandler, Look, TlsHandler

_AGENT = "RoadStream"
_SPAN = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class WebClient:
    """Asks one host and whatever it leads to, with its login for that host alone. headers: sent besides."""

    def __init__(self, address: NetworkAddress, waits: Waits, headers: Mapping[str, str] | None = None) -> None:
        self.name, self._address, self._waits = address.name, address, waits
        self._headers = {"User-Agent": _AGENT, **(headers or {})}
        self._director = OpenerDirector()  # without the handlers for file: and ftp: that urlopen would bring
        for handler in (*self._ways(), HTTPDefaultErrorHandler(), HTTPErrorProcessor(), UnknownHandler()):
            self._director.add_handler(handler)

    def get(self, url: str, start: int | None = None, end: int | None = None) -> Body:
        """The body at ``url`` from byte ``start`` to before ``end``; with neither, nothing is said of parts.

        Raises Fault.
        """
        request = Request(url, headers=self._headers)  # noqa: S310  # only http and https have handlers
        if start is not None or end is not None:
            request.add_header("Range", f"bytes={start or 0}-{'' if end is None else end - 1}")
        try:
            self._authorize(request)
            response = self._director.open(request)
        except (OSError, HTTPException, ValueError) as fault:
            if isinstance(fault, HTTPError):
                fault.close()  # it is the answer, too, and holds the connection
            raise self.explained(fault) from fault
        body = Body(response, self.name, self.explained)
        ahead = (start or 0) - body.start
        if ahead < 0:
            body.close()
            raise Fault(
                f"{self.name} gives another part than it was asked for", "look at the server", again="once live"
            )
        body.skip(ahead)  # a server that knows no ranges begins at the beginning
        return body

    def explained(self, fault: Exception) -> Fault:
        """What an exception means, for people."""
        return web_fault(self.name, fault, self._waits.limit_s)

    def _ways(self) -> Sequence[BaseHandler]:
        """How hosts are reached."""
        ways = (HttpHandler(self._waits), TlsHandler(self._waits, insecure=self._address.insecure))
        return (ProxyHandler(), *ways, HTTPRedirectHandler(), _NoStrangersLogin(), _Login(self._address))

    def _authorize(self, request: Request) -> None:
        """What is sent unasked: no login."""


class DeviceClient(WebClient):
    """Asks one device on the spot, whose certificate ``look`` knows, and nobody else: no proxy, nowhere it leads to.

    It gets the login unasked, for not every device sends a challenge.
    """

    def __init__(self, address: NetworkAddress, waits: Waits, look: Look) -> None:
        self._look = look
        super().__init__(address, waits)

    def _ways(self) -> Sequence[BaseHandler]:
        return (TlsHandler(self._waits, insecure=True, look=self._look),)

    def _authorize(self, request: Request) -> None:
        if self._address.login is not None:
            request.add_unredirected_header("Authorization", _basic(self._address.login))


class Body:
    """An answer's body. url: where it was found after all. start: which byte comes first.

    size: of the whole, None where nobody says. ranges: whether parts of it can be asked for.
    """

    def __init__(self, response: HTTPResponse, name: str, explained: Callable[[Exception], Fault]) -> None:
        self._response, self._name, self._explained = response, name, explained
        self.url: str = response.geturl()
        self.type = response.headers.get_content_type()
        span = _SPAN.match(response.headers.get("Content-Range", "")) if response.status == 206 else None
        self.start = int(span[1]) if span else 0
        whole = span[3] if span else response.headers.get("Content-Length")
        self.size = int(whole) if whole and whole.isdecimal() else None
        self.ranges = span is not None or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        self._states_end = response.chunked or response.length is not None
        self._peeked = b""

    def read(self, most: int) -> bytes:
        """Some bytes as soon as there are any; none: the body is complete. Raises Fault where it was cut or stalls."""
        if self._peeked:
            found, self._peeked = self._peeked[:most], self._peeked[most:]
            return found
        try:
            found = self._response.read1(most)
        except (OSError, HTTPException, ValueError) as fault:
            raise self._explained(fault) from fault
        if not found and (self._response.length or not self._states_end):
            raise self._explained(IncompleteRead(b""))
        return found

    def peek(self, count: int) -> bytes:
        """The first bytes, which are read again afterwards; fewer where the body is shorter. Raises Fault."""
        while len(self._peeked) < count:
            kept, self._peeked = self._peeked, b""
            found = self.read(count - len(kept))
            self._peeked = kept + found
            if not found:
                break
        return self._peeked

    def skip(self, count: int) -> None:
        """Reads past so many bytes. Raises Fault."""
        while count > 0 and (found := self.read(min(count, 1 << 16))):
            count -= len(found)

    def whole(self, most: int, stopped: Callable[[], bool] = lambda: False) -> bytes:
        """All of it. Raises Fault, also where it is longer than ``most`` bytes, or nobody wants it any more."""
        pieces, size = [], 0
        while found := self.read(1 << 16):
            if stopped():
                raise cut(self._name)
            pieces.append(found)
            size += len(found)
            if size > most:
                raise Fault(
                    f"{self._name} sends more than {most >> 20} MB at once", "look at the server", again="never"
                )
        return b"".join(pieces)

    def close(self) -> None:
        """Lets go of the connection."""
        self._response.close()


class _NoStrangersLogin(BaseHandler):
    """What a server writes before the host of where it leads to is no part of the host, and no login of the user's."""

    handler_order = 400  # before the handlers that write the head of the request

    def http_request(self, request: Request) -> Request:
        """The same for every request, before it is sent."""
        request.host = request.host.rpartition("@")[2]
        return request

    https_request = http_request


class _Login(BaseHandler):
    """Answers one challenge (RFC 7617, RFC 7616) of the address's own host, once: tries may be counted there."""

    handler_order = 490  # before the handler that makes an error of it

    def __init__(self, address: NetworkAddress) -> None:
        self._host = urlsplit(address.bare).netloc
        self._schemes = {address.scheme, "https"}  # never led from TLS to where everybody can listen
        self._login = address.login

    def http_error_401(self, request: Request, body: IO[bytes], _: int, __: str, headers: Message) -> Any:
        """The answer to the request with the login; None: there is nothing to try."""
        if (
            self._login is None
            or request.has_header("Authorization")
            or urlsplit(request.full_url).netloc != self._host
            or request.type not in self._schemes
        ):
            return None
        again = Request(request.full_url, headers=dict(request.headers))  # noqa: S310  # as the request before
        proof = self._proof(again, headers.get_all("WWW-Authenticate") or ())
        if proof is None:
            return None
        body.close()
        again.add_unredirected_header("Authorization", proof)
        return self.parent.open(again)

    def _proof(self, request: Request, challenges: Sequence[str]) -> str | None:
        """Digest's of those we know (MD5, SHA); else Basic's, unless another Digest alone is asked for."""
        assert self._login is not None
        known = HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, self._host, *self._login)
        for challenge in challenges:
            scheme, _, rest = challenge.strip().partition(" ")
            fields = parse_keqv_list([part for part in parse_http_list(rest) if "=" in part])
            if scheme.lower() == "digest" and fields.get("algorithm", "MD5").upper() in ("MD5", "SHA"):
                proof = HTTPDigestAuthHandler(known).get_authorization(request, fields)
                return f"Digest {proof}" if proof else None
        if any(challenge.strip().lower().startswith("digest") for challenge in challenges) and not any(
            challenge.strip().lower().startswith("basic") for challenge in challenges
        ):
            return None  # a kind of Digest that we do not know: the password is not sent plainly instead
        return _basic(self._login)


def _basic(login: tuple[str, str]) -> str:
    return f"Basic {b64encode(':'.join(login).encode()).decode()}"
