"""Where a stream is pushed to: what the user wrote, what FFmpeg is told, and what may be shown of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from contracts.errors import UsageError
from contracts.secrets import HIDDEN, expand, only_host, redact, without_login
from contracts.text import did_you_mean
from contracts.trust import ENCODE, without_mark

Format = Literal["rtsp", "flv"]

_FORMATS: dict[str, Format] = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "flv", "rtmps": "flv"}
_SECURE = ("rtsps", "rtmps")
_NO_LOGIN = "write it behind the key, as most servers want it: ?user=…&pass=… (or put #insecure behind the URL)"
_EXAMPLE = "write rtsp://HOST:8554/NAME or rtmp://HOST/APP/KEY"


@dataclass(frozen=True, slots=True)
class Address:
    """A media server's URL. url: with its secrets. shown: without. key: RTMP's last part, which is a secret too.

    checked: whether its certificate is looked at.
    """

    url: str
    shown: str
    format: Format
    key: str
    checked: bool

    @classmethod
    def of(cls, uri: str) -> Address:
        """From what the user wrote; raises UsageError. ``${NAME}`` is read from the environment."""
        scheme, mark, rest = expand(uri).partition("://")
        scheme = scheme.lower()
        url = scheme + mark + rest  # FFmpeg knows no other
        if scheme not in _FORMATS:
            cure = did_you_mean(scheme, _FORMATS) if "://" in url else _EXAMPLE
            raise UsageError(f"push {only_host(uri)}: no media server's URL", cure)
        url, insecure = without_mark(url, _SECURE)
        try:
            parts = urlsplit(url)
            good = bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, an unclosed [
            good = False
        if not good:
            cure = ENCODE if "@" in url else _EXAMPLE
            raise UsageError(f"push {only_host(uri)}: no host, or a port that is none", cure)
        key = parts.path.rstrip("/").rpartition("/")[2] if _FORMATS[scheme] == "flv" else ""
        shown, checked = _shown(uri.partition("#")[0], key), scheme in _SECURE and not insecure
        if scheme == "rtmps" and checked and parts.username is not None:
            # Adobe's login: FFmpeg connects a second time for it, and then has forgotten to look at the certificate
            raise UsageError(f"push {shown}: with a login before the host no certificate is looked at", _NO_LOGIN)
        return cls(url, shown, _FORMATS[scheme], key, checked)

    def without_secrets(self, text: str) -> str:
        """What FFmpeg said, fit to be shown."""
        text = redact(text)
        return text.replace(self.key, HIDDEN) if self.key else text


def _shown(uri: str, key: str) -> str:
    """The URI as it was written, without user, password and what tells a platform whose channel it is."""
    shown = without_login(uri)
    before, slash, behind = shown.rpartition(f"/{key}")
    return f"{before}/{HIDDEN}{behind}" if key and slash else shown
