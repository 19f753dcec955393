"""The one exception tree.

RoadStreamError          exit code 1  (never raised itself)
├── UsageError           exit code 2  wrong arguments, wrong configuration
├── SourceError          exit code 3  nothing to read, or it stopped being readable
├── EngineError          exit code 4  a network file, its card or its runtime
└── OutputError          exit code 5  something could not be written

A message says what and where, the cure says what to do. The command line prints both on one line;
the cause is chained for developers and shown by ``--debug``.
"""

from __future__ import annotations

from contracts.secrets import redact
from contracts.text import one_line

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C (128 + SIGINT), outputs finished."""


class RoadStreamError(Exception):
    """A mistake or a fault that a person can act on.

    message: what went wrong and where, one line; known secrets and whatever looks like one are taken out.
    cure: what to do about it, one line; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, cure: str = "") -> None:
        self.message = one_line(redact(message))
        self.cure = one_line(redact(cure))
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} → {self.cure}" if self.cure else self.message


class UsageError(RoadStreamError):
    """Wrong arguments or configuration."""

    exit_code = 2


class SourceError(RoadStreamError):
    """A source cannot be opened or read."""

    exit_code = 3


class EngineError(RoadStreamError):
    """A network file, its card or its runtime."""

    exit_code = 4


class OutputError(RoadStreamError):
    """An output cannot be opened, written or finished."""

    exit_code = 5
