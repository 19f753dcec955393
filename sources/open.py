"""Which source a URI means. A new kind of source is one function and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from contracts.errors import UsageError
from contracts.protocols import Source
from contracts.text import nearest

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""At least two letters: C:\\clip.mp4 is a path."""


def open_source(uri: str, *, start: float = 0.0, loop: bool = False) -> Source:
    """Opens what ``uri`` names: a video file, pictures (a file, a folder, a pattern), ``-`` or ``synthetic:``.

    start: seconds of a recorded source to skip. loop: begin a recorded source again when it ends.
    Raises SourceError when it cannot be read, UsageError when it is no source or cannot do what is asked.
    """
    match = _SCHEME.match(uri)
    scheme = match[1].lower() if match else ""
    if scheme in _OPENERS:
        return _OPENERS[scheme](uri, start, loop)
    if uri == "-":
        return _standard_input(start, loop)
    if not uri or (match and not Path(uri).exists()):
        # Never the whole URI: it may hold a password.
        meant = nearest(scheme, _OPENERS) if scheme else None
        cure = (
            f"did you mean '{meant}:'?"
            if meant
            else "this version reads video files, pictures, - (standard input) and synthetic:"
        )
        raise UsageError(f"cannot read sources of the kind {f'{scheme}:' if scheme else uri!r}", cure)
    return _pictures(uri, start, loop) or _video_file(uri, start, loop)


def places_read(uri: str) -> list[Path]:
    """Files and folders here that ``uri`` reads, as far as they exist: no output may be one of them.

    Raises UsageError as ``open_source`` does for the options of pictures.
    """
    from sources.picturefiles import places_read as read

    match = _SCHEME.match(uri)
    return [] if match and match[1].lower() in _OPENERS else read(uri)


def _pictures(uri: str, start: float, loop: bool) -> Source | None:
    from sources.picturefiles import PictureAddress
    from sources.pictures import PictureSource

    address = PictureAddress.parse(uri)
    return PictureSource(address, uri, start=start, loop=loop) if address is not None else None


def _standard_input(start: float, loop: bool) -> Source:
    from sources.standard_input import StandardInput
    from sources.video import VideoFileSource

    if loop:
        raise UsageError("standard input can be read once, not in a loop", "name the file itself")
    return VideoFileSource(Path("stdin"), start=start, piped=StandardInput())


def _video_file(uri: str, start: float, loop: bool) -> Source:
    from sources.video import VideoFileSource

    return VideoFileSource(Path(uri), start=start, loop=loop)


def _synthetic(uri: str, start: float, loop: bool) -> Source:
    from sources.synthetic import SyntheticSource

    if start or loop:
        option = "start later" if start else "loop"
        raise UsageError(f"synthetic: cannot {option}", "leave the option out; seconds=… in the URI sets its length")
    return SyntheticSource(uri)


_OPENERS: dict[str, Callable[[str, float, bool], Source]] = {"synthetic": _synthetic}
