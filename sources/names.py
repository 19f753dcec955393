"""What a source is called, known before it is open: in names of files, events and figures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from contracts.secrets import HIDDEN, without_login

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
"""At least two letters, as in ``sources.open``."""
_VIDEO = re.compile(
    r"(?:youtube:|youtube(?:-nocookie)?\.com/(?:watch\?(?:.*&)?v=|live/|shorts/|embed/)|youtu\.be/)([\w-]{11})(?![\w-])"
)
_UNFIT = re.compile(r'[\x00-\x1f<>:"/\\|?*$&{}\s]+')
PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_LONGEST = 60  # letters: with what stands before and behind, a file's name may have 255 bytes


def unique_names(uris: Iterable[str]) -> list[str]:
    """A name for each, fit as a part of a file's: ``front``, ``front-2`` … Case alone tells nobody apart."""
    names: list[str] = []
    taken: set[str] = set()
    for uri in uris:
        name = unique = name_of(uri)
        number = 2
        while unique.casefold() in taken:
            unique, number = f"{name}-{number}", number + 1
        taken.add(unique.casefold())
        names.append(unique)
    return names


def name_of(uri: str) -> str:
    """``clip`` of ``videos/clip.mp4``, ``camera0`` of ``0``, ``10.0.0.5-front`` of ``rtsp://user:pw@10.0.0.5/front``.

    What a source of the network calls itself, too (``SourceInfo.id``).
    """
    found = _UNFIT.sub("-", _bare_name(uri)).strip("-.")[:_LONGEST]
    return found or "source"


def _bare_name(uri: str) -> str:
    if uri == "-":
        return "stdin"
    if re.fullmatch(r"[0-9]{1,3}", uri) and not os.path.exists(uri):  # noqa: PTH110 (raises never)
        return f"camera{uri}"
    match = None if os.path.exists(uri) else _SCHEME.match(uri)  # noqa: PTH110
    if match is None:
        return _last_part(uri)
    scheme, rest = match[1].lower(), match[2]
    if rest.startswith("//") or scheme == "youtube":
        return _of_network(scheme, uri) or scheme
    name = _last_part(rest) if rest.partition("?")[0] else ""
    if scheme == "camera" and name.isdecimal():
        return f"camera{name}"
    return name or scheme


def _last_part(path: str) -> str:
    """The last part of a path that is spelt out, without its ending: no pattern, nothing behind a ``?``."""
    if not os.path.exists(path):  # noqa: PTH110
        path = path.partition("?")[0]
    if not path:
        return ""
    parts = [part for part in Path(path).parts if part not in ("/", "..") and not re.search(r"[*\[]", part)]
    if not parts:
        return Path(path).resolve().name
    return parts[-1] if os.path.isdir(path) else Path(parts[-1]).stem  # noqa: PTH112


def _of_network(scheme: str, uri: str) -> str:
    """A video's own id; else host, port where it is written and not the usual one, path and query, without secrets."""
    video = _VIDEO.search(uri)
    if video is not None:
        return f"youtube-{video[1]}"
    try:
        parts = urlsplit(without_login(uri))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if scheme in ("hl2ss", "hololens"):
        return f"hololens-{host}"
    spelt = "" if port in (None, PORTS.get(scheme)) else str(port)
    query = [part for part in parts.query.split("&") if HIDDEN not in part]
    words = re.findall(r"[\w.-]+", " ".join([host, spelt, parts.path, *query]), flags=re.ASCII)
    return "-".join(words)
