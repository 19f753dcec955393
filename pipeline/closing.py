"""Closing: every step is taken whatever became of the ones before; the first error is the one to tell."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Closing:
    """``first``: the error that is already on its way, if any."""

    def __init__(self, first: BaseException | None = None) -> None:
        self.error = first

    def step(self, action: Callable[[], object]) -> None:
        """Run one step; its error is kept when it is the first, else logged."""
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # the other steps must still be taken; re-raised by the owner
            if self.error is None:
                self.error = error
            elif error is not self.error:
                log.warning("while closing: %s", error)
