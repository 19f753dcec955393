"""NetworkAddress: what a ``rtsp://``, ``rtsps://``, ``http://`` or ``https://`` URI says, and what may be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from contracts.errors import UsageError
from contracts.secrets import without_login
from contracts.trust import ENCODE, without_mark
from sources.names import PORTS, name_of


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """uri: with its secrets, without the fragment. insecure: its TLS certificate is not looked at.

    label: what messages call it instead of its own name.
    """

    uri: str = field(repr=False)
    insecure: bool = False
    label: str = ""

    @classmethod
    def parse(cls, uri: str) -> NetworkAddress:
        """Raises UsageError; it names no secret."""
        uri, insecure = without_mark(uri, ("https", "rtsps"))
        scheme, colon, rest = uri.partition(":")
        uri = scheme.lower() + colon + rest  # FFmpeg knows no other
        address = cls(uri, insecure)
        try:
            host, _ = address._parts.hostname, address._parts.port
        except ValueError as fault:
            raise UsageError(f"{without_login(uri)!r} is no address: its port is no number", ENCODE) from fault
        if not host:
            raise UsageError(f"{without_login(uri)!r} names no host", f"write {address.scheme}://HOST/PATH")
        return address

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.uri)

    @property
    def scheme(self) -> str:
        """In small letters."""
        return self._parts.scheme.lower()

    @property
    def host(self) -> str:
        """Its name or number."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """As written, or the scheme's own."""
        return self._parts.port or PORTS[self.scheme]

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password, decoded."""
        user, password = self._parts.username, self._parts.password
        return (unquote(user or ""), unquote(password or "")) if user or password else None

    @property
    def bare(self) -> str:
        """The URI without user and password."""
        host = self._parts.netloc.rpartition("@")[2]
        return self._parts._replace(netloc=host).geturl()

    @property
    def shown(self) -> str:
        """The URI for people: no login, no values of parameters that are named like secrets."""
        return without_login(self.uri)

    @property
    def name(self) -> str:
        """What messages call it: its label, else the URI without the query."""
        return self.label or self.shown.partition("?")[0]

    @property
    def id(self) -> str:
        """For the names of files."""
        return name_of(self.uri)
