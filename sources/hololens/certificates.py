"""Certificates of devices that sign their own: remembered when they are first seen, compared ever after.

As ssh does with hosts: the first connection is trusted, and nobody can step in between later.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from sources.live.connection import Fault

log = logging.getLogger(__name__)


def memory() -> Path:
    """The file: ``$XDG_STATE_HOME/roadstream/certificates``, else under ``~/.local/state``; a line per device.

    Raises RuntimeError: no home folder.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "roadstream" / "certificates"


class Pin:
    """The certificate of one device. place: ``host:port``. Kept for as long as the run, too."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._known: str | None = None

    def check(self, certificate: bytes) -> None:
        """Compares with what is remembered, and remembers what is new. certificate: DER. Raises Fault, for good."""
        shown = f"SHA256:{hashlib.sha256(certificate).hexdigest()}"
        self._known = self._known or self._remembered()
        if self._known is None:
            self._known = shown
            self._remember(shown)
        elif self._known != shown:
            raise Fault(
                f"{self._place} shows another certificate than before ({shown[:23]}…, not {self._known[:23]}…): "
                "somebody may stand between",
                f"if the device was reset, delete the line that begins with {self._place} in {_shown_memory()}",
                again="never",
            )

    def _remembered(self) -> str | None:
        try:
            lines = memory().read_text("utf-8", "replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except RuntimeError as fault:  # no home folder
            log.warning("the certificate of %s cannot be compared with an earlier one: %s", self._place, fault)
            return None
        except OSError as fault:  # it may be there: trusting anybody now would make it worth nothing
            message = f"the certificate of {self._place} cannot be compared with the one before: {fault.strerror}"
            raise Fault(message, f"make {_shown_memory()} readable, or delete it", again="never") from fault
        pairs = (line.split() for line in lines)
        return next((pair[1] for pair in pairs if len(pair) == 2 and pair[0] == self._place), None)

    def _remember(self, shown: str) -> None:
        """One line, in one write: several runs may do so at once."""
        try:
            file = memory()
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as stream:
                stream.write(f"{self._place} {shown}\n")
        except (OSError, RuntimeError) as fault:
            log.warning("the certificate of %s cannot be remembered: %s", self._place, fault)
        else:
            log.warning("%s is seen for the first time: its certificate %s is trusted from now on", self._place, shown)


def _shown_memory() -> str:
    try:
        return str(memory())
    except RuntimeError:  # no home folder: it is known since this run began
        return "this run: start it anew"
