"""Small helpers for what people read: the nearest known name, a package's version."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import metadata


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a person most likely meant, or None."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A cure for an unknown word: the nearest one, else all of them."""
    words = sorted(known)
    match = nearest(word, words)
    return f"did you mean {match!r}?" if match else f"known: {', '.join(words)}"


def installed_version(package: str) -> str:
    """The version of an installed package, or "absent" (it may be installed under another name)."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
