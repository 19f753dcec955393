"""Downloads one public file: resumed where it stopped, checked before it gets its name, nothing else touched."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from contracts.errors import EngineError, SourceError, UsageError
from engines import fetch
from engines.part import Part, sha256_of
from engines.releases import Release

Progress = Callable[[int, int | None], None]
"""Called with the bytes there are and, where it is known, how many it will be."""

TIMEOUT_S = 30.0
"""Seconds without a byte after which a connection counts as lost."""
_ATTEMPTS = 4
"""Connections in a row that bring less than _LEAST_BYTES and so end it."""
_PAUSE_S = 0.5
"""Before a lost connection is taken up again; twice as long after each further one of these."""
_WINDOW_S = 60.0
_LEAST_BYTES = 1 << 16
"""Bytes that must come in each window: a server that drips does not hold us for ever."""
_CHUNK = 1 << 16
_MOST_BYTES = 1 << 30
"""Of a file whose length nobody verified."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """path: the whole file. verified: its hash is the release's. new: it was not there before."""

    path: Path
    verified: bool
    new: bool


def download(
    release: Release,
    folder: Path,
    progress: Progress = lambda _done, _total: None,
    *,
    accept: Callable[[Path], None] = lambda _file: None,
    timeout_s: float = TIMEOUT_S,
) -> Fetched:
    """Fetches ``release`` into ``folder``, which is made. A file that is there already is never written over.

    Until it is whole and checked it is ``NAME.part.onnx``; that stays after Ctrl-C and after a fault of the network,
    and is resumed where the server still has the same file. accept: a last look at the whole file under that name;
    where it raises EngineError, the file is not kept. Raises SourceError (the network), EngineError (not the file it
    should be), OutputError (cannot be written) and UsageError (another file of that name lies there).
    """
    target = folder / release.file_name
    present = _present(release, target)
    if present is not None:
        return present
    with Part(target, release.url) as part:
        _fetch(release, part, progress, timeout_s)
        try:
            accept(part.path)
        except EngineError:
            part.discard()
            raise
        part.publish()
    return Fetched(target, release.sha256 is not None, new=True)


def _present(release: Release, target: Path) -> Fetched | None:
    """The file that lies there already, None where there is none; raises UsageError where it is another one."""
    if not os.path.lexists(target):
        return None
    known = release.sha256 is not None
    if not target.is_file() or (known and sha256_of(target) != release.sha256):
        raise UsageError(f"{target} is there already and is another file", "move it away, or give --output DIR")
    return Fetched(target, known, new=False)


def _fetch(release: Release, part: Part, progress: Progress, timeout_s: float) -> None:
    """Fills ``part`` with the very bytes of ``release``; a resumed one that came out wrong is fetched once more."""
    resumed = part.size > 0
    _transfer(release, part, progress, timeout_s)
    if release.sha256 is None or part.sha256() == release.sha256:
        return
    if resumed:  # what lay there was not its beginning after all
        part.restart()
        _transfer(release, part, progress, timeout_s)
    found = part.sha256()
    if found != release.sha256:
        part.discard()
        raise EngineError(
            f"{release.url} is not the file that was published: SHA-256 {found}, not {release.sha256}",
            "nothing was kept; ask its authors, or write a card of your own for the new file",
        )


def _transfer(release: Release, part: Part, progress: Progress, timeout_s: float) -> None:
    """Fetches what is missing. A connection that is lost on the way is taken up again, as long as that helps."""
    failures, moved = 0, False
    while True:
        before = part.size
        try:
            total = _connection(release, part, progress, timeout_s)
            if total is None or part.size == total:
                return
            fault: Exception = ConnectionError("the connection was lost")
        except fetch.FAULTS as caught:
            fault = caught
        failures = failures + 1 if part.size < before + _LEAST_BYTES else 0
        moved = moved or part.size > before
        if not moved or failures == _ATTEMPTS or not fetch.may_pass(fault):  # not moved: offline, say it at once
            error = fetch.explained(fault, release.url)
            kept = f"; {part.path} is kept and will be resumed" if part.size else ""
            raise type(error)(error.message + kept, error.cure) from fault
        time.sleep(_PAUSE_S * 2**failures)


def _connection(release: Release, part: Part, progress: Progress, timeout_s: float) -> int | None:
    """One request and as much of its answer as comes; returns the whole file's length where that is known.

    Raises fetch.FAULTS (try again), other RoadStreamErrors (do not).
    """
    if release.bytes is not None and part.size == release.bytes:
        return release.bytes
    response = _answer(release, part, timeout_s)
    if response is None:
        return part.size
    with response:
        _check_kind(response, release)
        if _start(response) == 0:
            part.restart(_validator(response))
        total = _total(response, release, part.size)
        part.make_room(total)
        _receive(response, part, total if total is not None else _MOST_BYTES, progress, total)
        return total


def _answer(release: Release, part: Part, timeout_s: float) -> HTTPResponse | None:
    """The server's answer: the missing rest, or the whole file; None where nothing is missing. Raises fetch.FAULTS."""
    try:
        response = fetch.get(release.url, _range(release, part), timeout_s)
        if _start(response) in (0, part.size):
            return response
        response.close()  # another part than was asked for
    except HTTPError as fault:
        if fault.code != 416:  # 416: the part is as long as the file, or longer
            raise
        if release.bytes is None and fault.headers.get("Content-Range") == f"bytes */{part.size}":
            return None
    part.restart()
    return fetch.get(release.url, {}, timeout_s)


def _range(release: Release, part: Part) -> dict[str, str]:
    """Headers that ask for the rest, if the file is still the same; without a way to tell, for all of it."""
    if part.size == 0 or (part.validator is None and release.sha256 is None):
        return {}
    unchanged = {} if part.validator is None else {"If-Range": part.validator}
    return {"Range": f"bytes={part.size}-", **unchanged}


def _validator(response: HTTPResponse) -> str | None:
    """What tells this version of the file from others: a strong ETag, else its date (RFC 9110, 13.1.5)."""
    tag: str | None = response.headers.get("ETag")
    dated: str | None = response.headers.get("Last-Modified")
    return dated if tag is None or tag.startswith("W/") else tag


def _check_kind(response: HTTPResponse, release: Release) -> None:
    """Refuses what is certainly no network file: a web page (of a hotel's login, say), or a packed answer."""
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise SourceError(
            f"{fetch.host_of(release.url)} answered with a web page instead of the file",
            "does the network want a login? Open the address in a browser: " + release.url,
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise SourceError(f"{fetch.host_of(release.url)} sent the file packed, unasked", "try another network")


def _start(response: HTTPResponse) -> int | None:
    """Where in the file the answer begins; None where it does not say so rightly."""
    if response.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _total(response: HTTPResponse, release: Release, start: int) -> int | None:
    """The whole file's length. Raises EngineError where it is not the release's, too long, or cannot be known."""
    left = response.length  # what HTTP says is still to come; None: unknown
    total = None if left is None else start + left
    if total is None and release.bytes is None and release.sha256 is None and not response.chunked:
        raise EngineError(
            f"{fetch.host_of(release.url)} does not say how long the file is, so nobody could tell a cut-off one",
            "download it by other means and write a card for it",
        )
    if total is not None and release.bytes is not None and total != release.bytes:
        raise EngineError(
            f"{release.url} has {total} bytes, not the {release.bytes} that were published",
            "the file was replaced: ask its authors, or write a card of your own for the new one",
        )
    if total is not None and total > _MOST_BYTES:
        raise EngineError(f"{release.url} has {total} bytes, more than a network here may have", "download it by hand")
    return total if total is not None else release.bytes


def _receive(response: HTTPResponse, part: Part, most: int, progress: Progress, total: int | None) -> None:
    """Writes the body behind what is there. Raises fetch.FAULTS, and EngineError where more comes than may."""
    progress(part.size, total)
    deadline, floor = time.monotonic() + _WINDOW_S, part.size + _LEAST_BYTES
    while chunk := response.read1(_CHUNK):
        if part.size + len(chunk) > most:
            part.discard()
            raise EngineError(f"{response.url} sends more than {most} bytes", "nothing was kept")
        part.write(chunk)
        progress(part.size, total)
        if time.monotonic() > deadline:
            if part.size < floor:
                raise ConnectionError(f"fewer than {_LEAST_BYTES} bytes came in {_WINDOW_S:g} s")
            deadline, floor = time.monotonic() + _WINDOW_S, part.size + _LEAST_BYTES
