"""Small helpers for messages: the nearest known name, a printable list."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a person most likely meant, or None."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A cure for an unknown word: the nearest one, else all of them."""
    words = sorted(known)
    match = nearest(word, words)
    return f"did you mean {match!r}?" if match else f"known: {', '.join(words)}"
