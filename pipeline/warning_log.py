"""What the rooms warned of while a run lasted, for outputs that tell of the run."""

from __future__ import annotations

import logging

from contracts.secrets import redact

_ROOMS = ("contracts", "sources", "engines", "outputs", "pipeline")
_MOST = 100  # different texts; who warns of more says nothing new


class WarningLog(logging.Handler):
    """Keeps warnings and errors that the rooms log between ``start`` and ``stop``, each text once. For any thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._counts: dict[str, int] = {}

    def start(self) -> None:
        """Listen."""
        for room in _ROOMS:
            logging.getLogger(room).addHandler(self)

    def stop(self) -> None:
        """Listen no more; may be called twice."""
        for room in _ROOMS:
            logging.getLogger(room).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, unless it answers a person (``asked``) and tells of nothing odd.

        Python shows a program's warnings itself where it set up no logging: it still does.
        """
        text = redact(record.getMessage())
        wanted = text in self._counts or len(self._counts) < _MOST
        if wanted and not getattr(record, "asked", False):
            self._counts[text] = self._counts.get(text, 0) + 1
        if not logging.getLogger().handlers and logging.lastResort is not None:
            logging.lastResort.handle(logging.makeLogRecord({**record.__dict__, "msg": text, "args": None}))

    def texts(self) -> tuple[str, ...]:
        """In the order they came first; those that came again with how often."""
        counts = self._counts.copy()
        return tuple(text if count == 1 else f"{text} ({count} times)" for text, count in counts.items())
