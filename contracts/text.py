"""Small helpers for what people read: the nearest known name, numbers of things, a package's version."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from importlib import metadata

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a person most likely meant, or None."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A cure for an unknown word: the nearest one, else all of them."""
    words = sorted(known)
    match = nearest(word, words)
    return f"did you mean {match!r}?" if match else f"known: {', '.join(words)}"


def counted(number: int, thing: str, things: str = "") -> str:
    """``1 picture``, ``2 pictures``; things: the plural where it is not thing and an s."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or thing + 's'}"


def clock(seconds: float) -> str:
    """``42 s``, ``3:05 min``, ``1:02:03 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def encodable(text: str) -> str:
    r"""Text that any UTF-8 stream takes: bytes of a file's name that are no UTF-8 as ``\xe9``."""
    shown = re.sub("[\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def pixel_size(text: str) -> tuple[int, int] | None:
    """``1280x720`` as (width, height); None where it is no such text. Nothing is said of whether it makes sense."""
    match = re.fullmatch(r"([0-9]{1,5})[xX×]([0-9]{1,5})", text)
    return (int(match[1]), int(match[2])) if match else None


def one_line(text: str) -> str:
    r"""Text as one line that leaves a terminal as it is: white space as one space, control characters as ``\x1b``.

    File names may hold anything; what turns the direction of writing is shown by its number too.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], " ".join(text.split()))


def reason_of(fault: BaseException) -> str:
    """What the system or a library says of a fault, without its number and the file's name."""
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__


def installed_version(package: str) -> str:
    """The version of an installed package, or "absent" (it may be installed under another name)."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
