"""Videos that live behind a web page: YouTube, and whatever else yt-dlp knows.

A page's video has an address for some hours only. So every connection asks anew where it is, unless it has just been
told, and a recorded video goes on where it was.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from urllib.error import HTTPError
from urllib.parse import urlsplit

from contracts.errors import UsageError
from contracts.live import Patience
from contracts.secrets import without_login
from sources.live.connection import Attempt, Connection, Fault, Received
from sources.live.source import Identity, LiveSource
from sources.names import name_of
from sources.network.address import NetworkAddress
from sources.network.faults import refuse_start
from sources.network.http import TRIES, WebOpener, WebPage
from sources.youtube import UPDATE, Media, find_media

_HOSTS = re.compile(r"(?:.+\.)?(?:youtube\.com|youtu\.be|youtube-nocookie\.com)")
_VIDEO = re.compile(r"[\w-]{11}")
_ASKING_S = 30.0
"""Seconds more than --open-timeout until the first picture: sites let one solve puzzles first."""
_HOLDS_S = 3 * 3600
"""Seconds after which an address is asked for again; YouTube's hold for about six hours."""


def is_page(uri: str) -> bool:
    """Whether a web address is one of YouTube's pages; of other sites only opening it can tell."""
    return _HOSTS.fullmatch((urlsplit(uri).hostname or "").lower()) is not None


def page_of(uri: str) -> str:
    """The page that ``youtube:ID`` means. Raises UsageError."""
    name = uri.partition(":")[2]
    if not _VIDEO.fullmatch(name):
        cure = "write youtube:dQw4w9WgXcQ (the eleven signs behind v=), or the whole address of the page"
        raise UsageError(f"{uri!r} is no video of YouTube", cure)
    return f"https://www.youtube.com/watch?v={name}"


def open_page(page: str, uri: str, patience: Patience, start: Fraction = Fraction(0)) -> LiveSource:
    """Opens the video of a page. uri: as it was written. start: seconds to skip. Raises SourceError."""
    name = without_login(uri)
    identity = Identity(name_of(uri), name, name)
    return LiveSource(identity, PageOpener(page, name), patience, tries=TRIES, start=start)


def open_web_or_page(address: NetworkAddress, patience: Patience, start: Fraction = Fraction(0)) -> LiveSource:
    """Opens what is at a web address, or the video of the page that is there. Raises SourceError."""
    identity = Identity(address.id, address.shown, address.name)
    return LiveSource(identity, _WebOrPage(address), patience, tries=TRIES, start=start)


class PageOpener:
    """Opens a page's video, as often as it takes. name: of the page, for people."""

    def __init__(self, page: str, name: str) -> None:
        self._page, self._name = page, name
        self._found: tuple[Media, WebOpener, float] | None = None

    def __call__(self, attempt: Attempt) -> Connection:
        """Raises Fault, and UsageError for a start of what is live."""
        known = self._found is not None
        try:
            return self._open(attempt)
        except Fault as fault:
            self._found = None
            if not known:
                raise _once_more(fault) from fault
        try:  # the address was an old one, and may have run out
            return self._open(attempt)
        except Fault as fault:
            self._found = None
            raise _once_more(fault) from fault

    def _open(self, attempt: Attempt) -> Connection:
        if self._found is None or time.monotonic() - self._found[2] >= _HOLDS_S:
            attempt.more_time(_ASKING_S)
            media = find_media(self._page, self._name, attempt.patience.read_s)
            address = replace(NetworkAddress.parse(media.url), label=f"the video of {self._name}")
            self._found = (media, WebOpener(address, media.headers), time.monotonic())
        media, opener, _ = self._found
        if media.live:
            refuse_start(self._name, attempt.start)
        return _PageConnection(opener(attempt), self._forget)

    def _forget(self) -> None:
        self._found = None


class _PageConnection:
    """A connection whose address may run out while it is read: then the page is asked for another one."""

    def __init__(self, connection: Connection, lost: Callable[[], None]) -> None:
        self._connection, self._lost = connection, lost
        self.time_base, self.rate, self.live = connection.time_base, connection.rate, connection.live
        self.frames, self.borrowed = connection.frames, connection.borrowed

    @property
    def lost(self) -> int:
        """As ``Connection`` says."""
        return self._connection.lost

    def receive(self) -> Sequence[Received] | None:
        """As ``Connection`` says."""
        try:
            return self._connection.receive()
        except Fault as fault:
            if fault.again != "always":  # refused in the middle
                self._lost()
            raise _once_more(fault) from fault

    def close(self) -> None:
        """As ``Connection`` says."""
        self._connection.close()


class _WebOrPage:
    """Opens a web address, and asks for the video of a page where it turns out to be one."""

    def __init__(self, address: NetworkAddress) -> None:
        self._web, self._address = WebOpener(address), address
        self._page: PageOpener | None = None

    def __call__(self, attempt: Attempt) -> Connection:
        """Raises Fault, and UsageError."""
        if self._page is not None:
            return self._page(attempt)
        try:
            return self._web(attempt)
        except WebPage as fault:
            refused = fault
        page = PageOpener(self._address.uri, self._address.name)
        try:
            connection = page(attempt)
        except Fault as fault:
            if fault.again == "always":
                raise
            if "a page without a video" not in fault.message:  # private, not installed …: what the site and yt-dlp say
                raise Fault(f"{refused.message}; {fault.message}", fault.cure, again=fault.again) from fault
            raise Fault(f"{refused.message}, and none is found on it", refused.cure, again="once live") from fault
        self._page = page
        return connection


def _once_more(fault: Fault) -> Fault:
    """The fault of a page's video: the page tells another address next time, so what is refused may be given then."""
    final = fault.again == "never" and not isinstance(fault.__cause__, HTTPError)  # a start behind the end, say
    if final or not fault.message.startswith("the video of"):
        return fault
    return Fault(fault.message, f"if it stays so, the site has changed: {UPDATE}")
