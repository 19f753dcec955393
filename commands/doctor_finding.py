"""What a check of ``doctor`` answers: one line for people, one object for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``doctor``: what was looked at, what was found and, where that is not good, what to do.

    section and name are fixed (scripts read them); found and cure are one line each, for people. works tells whether
    what the line is about can do its part of a run; None where a run does not depend on it.
    """

    section: str
    name: str
    state: State
    found: str
    cure: str = ""
    works: bool | None = None


def one_line(text: str, most: int = 300) -> str:
    """Text of any origin on one line of at most so many characters, without control characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
