"""Which HoloLens a URI means, and what is wanted of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.hololens.messages import VideoWish
from sources.network.address import NetworkAddress
from sources.options import options_of, size_option, whole_option

_FORM = "write hl2ss://192.168.1.20?size=1280x720&fps=30&format=hevc&bitrate=4M&depth=none, or hl2ss://HOST alone"
_OPTIONS = ("size", "fps", "format", "bitrate", "depth")
_PORTAL_FORM = (
    "write hololens://${NAME}:${PASSWORD}@192.168.1.20?quality=med; signs as %XX (@ is %40, # is %23, / is %2F)"
)
_QUALITIES = {"high": 30, "med": 30, "low": 15}
"""Of the Device Portal's videos: frames per second."""
_HTTPS = 443
_LEAST_SIDE, _MOST_SIDE, _MOST_FPS = 64, 4096, 60
_BITS_PER_PIXEL = {"h264": (12, 75), "hevc": (12, 150)}
"""The app's own clients' choice, as a fraction: 4.4 Mbit/s for 1280x720 at 30 frames per second as H.264."""
_MOST_BITRATE = 100_000_000
_UNITS = {"": 1, "k": 1000, "M": 1_000_000}


@dataclass(frozen=True, slots=True)
class Hl2ssAddress:
    """``hl2ss://HOST?size=1280x720&fps=30&format=h264&bitrate=4M&depth=longthrow``.

    Depth is on unless it is ``none``: whoever asks for the research streams wants millimetres.
    """

    host: str
    wish: VideoWish
    depth: bool

    @classmethod
    def parse(cls, uri: str) -> Hl2ssAddress:
        """Raises UsageError."""
        parts = _split(uri, _FORM)
        if parts.username is not None:
            raise UsageError("hl2ss:// has no user and no password", "the Device Portal has them: hololens://")
        if _port(parts, _FORM) is not None:
            raise UsageError(f"hl2ss's ports are fixed: {uri!r} cannot name one", _FORM)
        options = options_of(uri, parts.query, _OPTIONS)
        width, height = size_option(uri, options.get("size", "1280x720"), _LEAST_SIDE, _MOST_SIDE)
        if width % 2 or height % 2:
            raise UsageError(f"size {width}x{height} in {uri!r} is odd", "write size=1280x720")
        fps = whole_option(uri, "fps", options.get("fps", "30"), 1, _MOST_FPS)
        coding = _format(uri, options.get("format", "h264"))
        times, over = _BITS_PER_PIXEL[coding]
        bitrate = width * height * fps * times // over
        if "bitrate" in options:
            bitrate = _bitrate(uri, options["bitrate"])
        depth = _one_of(uri, "depth", options.get("depth", "longthrow"), ("longthrow", "none"))
        return cls(parts.hostname or "", VideoWish(width, height, fps, coding, bitrate), depth == "longthrow")


@dataclass(frozen=True, slots=True)
class PortalAddress:
    """``hololens://USER:PASSWORD@HOST[:PORT]?quality=high``: the Device Portal, as the device's settings show it.

    login: user and password, decoded. quality: high (1280x720 at 30 frames per second), med (854x480 at 30) or low
    (428x240 at 15).
    """

    host: str
    port: int
    login: tuple[str, str] | None = field(repr=False)
    quality: str

    @classmethod
    def parse(cls, uri: str) -> PortalAddress:
        """Raises UsageError; it names no secret."""
        parts = _split(uri, _PORTAL_FORM)
        port = _port(parts, _PORTAL_FORM)
        options = options_of(uri, parts.query, ("quality",))
        quality = _one_of(uri, "quality", options.get("quality", "high"), _QUALITIES)
        login = None
        if parts.username is not None:
            login = (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.hostname or "", _HTTPS if port is None else port, login, quality)

    @property
    def rate(self) -> int:
        """Frames per second."""
        return _QUALITIES[self.quality]

    @property
    def video(self) -> NetworkAddress:
        """Of the video on the device: what its camera sees, without holograms and sound."""
        login = "" if self.login is None else ":".join(quote(part, safe="") for part in self.login) + "@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = f"api/holographic/stream/live_{self.quality}.mp4?holo=false&pv=true&mic=false&loopback=false"
        return NetworkAddress(f"https://{login}{host}:{self.port}/{path}", label=f"the Device Portal at {self.host}")


def _split(uri: str, form: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
    except ValueError as fault:  # brackets that do not close
        raise UsageError("the URI names no host", form) from fault
    if not parts.hostname:
        raise UsageError("the URI names no host", form)
    if parts.path not in ("", "/") or parts.fragment:
        raise UsageError(f"behind the host of {parts.scheme}:// only ?options may stand", form)
    return parts


def _port(parts: SplitResult, form: str) -> int | None:
    try:
        return parts.port
    except ValueError as fault:
        raise UsageError(f"the port of {parts.scheme}:// is no number up to 65535", form) from fault


def _one_of(uri: str, name: str, text: str, known: Collection[str]) -> str:
    if text not in known:
        raise UsageError(f"unknown {name} {text!r} in {uri!r}", did_you_mean(text, known))
    return text


def _format(uri: str, text: str) -> Literal["h264", "hevc"]:
    return "hevc" if _one_of(uri, "format", text.lower(), ("h264", "hevc")) == "hevc" else "h264"


def _bitrate(uri: str, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([kM]?)", text)
    value = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not 1 <= value <= _MOST_BITRATE:
        raise UsageError(f"bitrate {text!r} in {uri!r} is none", "write bitrate=4M (bits per second, up to 100M)")
    return value
