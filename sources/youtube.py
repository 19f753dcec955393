"""Where the video of a page is: asked of yt-dlp, which knows YouTube and a thousand other sites.

What it finds is an address that holds for some hours; opening it is ``sources.pages``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from contracts.secrets import redact
from contracts.text import installed_version, one_line
from sources.live.connection import Again, Fault

log = logging.getLogger(__name__)

_FORMAT = "/".join(
    f"{kind}[height<=?1080]{codec}{way}"
    for codec in ("[vcodec^=avc1]", "[vcodec!=none]", "")
    for kind in ("bv*", "b")
    for way in ("[protocol^=http][protocol!*=dash]", "[protocol^=m3u8]")
)
"""The best picture of at most 1080 rows: H.264 before others, one file, which can be sought, before HLS."""
_INSTALL = 'pip install "yt-dlp[default,deno]"'
UPDATE = 'pip install -U "yt-dlp[default,deno]"'
_RUNTIME = "yt-dlp needs a JavaScript runtime for YouTube: pip install deno (2.3 or newer), or Node.js 22 or newer"
_NO_RUNTIME = "No supported JavaScript runtime"
_OLD_DAYS = 30
_LONGEST = 200  # letters of what a site says

_Rule: TypeAlias = tuple[str, str, Again]
_WHAT_SITES_SAY: tuple[tuple[str, _Rule], ...] = (
    (r"private video|video is private", ("is private", "ask its owner, or name another one", "never")),
    (r"members[- ]only|join this channel", ("is for members only", "name another one", "never")),
    (r"confirm your age|age[- ]restricted", ("may be watched by adults who sign in only", "name another one", "never")),
    (
        r"not a bot|captcha",
        ("is withheld: the site takes this machine for a robot", "wait an hour, or use another network", "always"),
    ),
    (r"rate[- ]limited|too many requests", ("is withheld: too much was asked", "wait an hour", "always")),
    (r"sign in|log ?in|cookies", ("may be watched by those who sign in only", "name another one", "never")),
    (r"in your country|geo|your location", ("may not be watched in this country", "name another one", "never")),
    (
        r"begin in|will begin|premieres in|not started|upcoming",
        ("has not begun", "it is tried again; --reconnect forever waits for it", "always"),
    ),
    (r"not (currently )?live|offline|has ended", ("is not live at the moment", "look when it is sent", "once live")),
    (r"DRM", ("is protected against copying", "name another one", "never")),
    (
        r"unavailable|removed|deleted|terminated|does not exist|no longer",
        ("is not there (any more)", "look at the page in a browser", "never"),
    ),
    (r"Unsupported URL", ("is a page without a video that yt-dlp knows", "name the stream itself", "never")),
)
"""In the order they are looked for; the words are yt-dlp's and YouTube's own."""


@dataclass(frozen=True, slots=True)
class Media:
    """Where a page's video is. headers: to be sent with every request; live: whether it is being made now."""

    url: str
    headers: Mapping[str, str]
    live: bool


class _Listener:
    """Keeps what yt-dlp warns of, and prints nothing."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, text: str) -> None:
        """Progress; also what yt-dlp calls info."""

    def warning(self, text: str) -> None:
        """Kept, for the cure of an error that may come."""
        self.warnings.append(text)
        log.debug("yt-dlp: %s", redact(text))

    def error(self, text: str) -> None:
        """Comes as an exception, too."""


def find_media(page: str, name: str, limit_s: float) -> Media:
    """Asks for the video of a page. name: of it, for people. limit_s: of each request. Raises Fault."""
    try:
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import YoutubeDLError
    except ImportError as fault:
        message = f"{name} needs yt-dlp, which is not installed"
        raise Fault(message, _INSTALL, again="never") from fault
    listener = _Listener()
    options = {
        "format": _FORMAT,
        "quiet": True,
        "noprogress": True,
        "noplaylist": True,
        "socket_timeout": limit_s,
        "retries": 0,
        "extractor_retries": 1,
        "js_runtimes": {"deno": {}, "node": {}},
        "logger": listener,
        "cachedir": False,
    }
    try:
        with YoutubeDL(options) as asked:
            found = asked.extract_info(page, download=False)
    except YoutubeDLError as fault:
        raise _fault(name, fault, listener.warnings) from fault
    return _media(name, found)


def _media(name: str, found: Any) -> Media:
    if not isinstance(found, dict) or "entries" in found:
        raise Fault(f"{name} is a list of videos", "name one of them", again="never")
    if not found.get("url"):
        raise Fault(f"{name} has no video in a form that can be played", "name another one", again="never")
    headers = {str(name): str(value) for name, value in (found.get("http_headers") or {}).items()}
    return Media(str(found["url"]), headers, found.get("live_status") == "is_live")


def _fault(name: str, fault: Any, warnings: list[str]) -> Fault:
    """What yt-dlp's exception means. The cause is its ExtractorError, where there is one."""
    from yt_dlp.networking.exceptions import RequestError
    from yt_dlp.utils import ExtractorError, GeoRestrictedError

    inner = fault.exc_info[1] if getattr(fault, "exc_info", None) else fault
    said = str(getattr(inner, "orig_msg", None) or inner)
    if isinstance(inner, GeoRestrictedError):
        return Fault(f"{name} may not be watched in this country", "name another one", again="never")
    if isinstance(inner, RequestError) or isinstance(getattr(inner, "cause", None), RequestError):
        return Fault(f"{name} cannot be asked: {_short(said)}", "look at the network and the address")
    if isinstance(inner, ExtractorError) and inner.expected:
        for pattern, (what, cure, again) in _WHAT_SITES_SAY:
            if re.search(pattern, said, re.IGNORECASE):
                return Fault(f"{name} {what} (it says: {_short(said)})", cure, again=again)
    if any(_NO_RUNTIME in text for text in warnings):
        return Fault(f"{name} cannot be read without a JavaScript runtime", _RUNTIME, again="never")
    return Fault(f"{name} cannot be read by yt-dlp {_version()}: {_short(said)}", f"sites change: {UPDATE}")


def _short(text: str) -> str:
    """The first sentence or so of what a site or yt-dlp says, without its requests to report bugs."""
    plain = one_line(redact(text)).partition("; please report this issue")[0].removeprefix("ERROR: ")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"


def _version() -> str:
    """``2026.10.26``, with its age where that is a likely cause."""
    version = installed_version("yt-dlp")
    try:
        made = datetime.strptime(".".join(version.split(".")[:3]), "%Y.%m.%d").replace(tzinfo=UTC)
    except ValueError:
        return version
    days = (datetime.now(UTC) - made).days
    return f"{version} ({days} days old)" if days > _OLD_DAYS else version
