"""The Device Portal's live video as a live source: an MP4 that never ends, under a certificate nobody else signed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av

from contracts.live import Patience
from contracts.secrets import printable
from sources.hololens.address import PortalAddress
from sources.hololens.certificates import Pin
from sources.hololens.channel import reason, sooner
from sources.hololens.portal_body import PortalBody
from sources.live.connection import Attempt, Fault, Received
from sources.live.container import ContainerConnection
from sources.live.source import Identity, LiveSource

_QUICKLY = {"fpsprobesize": "0", "probesize": "32"}
"""The index at the beginning says it all: nothing is guessed from pictures (bytes)."""


def open_portal(address: PortalAddress, uri: str, patience: Patience) -> LiveSource:
    """Opens the video of a device. Raises SourceError where it cannot be reached, refuses or stays silent."""
    pin = Pin(f"{address.host}:{address.port}")
    identity = Identity(address.id, printable(uri), f"the HoloLens at {address.host}")
    return LiveSource(identity, lambda attempt: _Portal(address, pin, attempt), patience)


class _Portal(ContainerConnection):
    """One connection; the file it is read from is closed with it."""

    def __init__(self, address: PortalAddress, pin: Pin, attempt: Attempt) -> None:
        open_s, read_s = sooner(attempt.patience.open_s), sooner(attempt.patience.read_s)
        name = f"the HoloLens at {address.host}"
        self._body = PortalBody(address, pin, open_s=open_s, read_s=read_s, stopped=attempt.stopped)
        try:
            container = av.open(self._body, "r", format="mp4", options=_QUICKLY)
            super().__init__(container, name, live=True, broken=lambda fault: _damaged(name, fault))
        except (av.FFmpegError, ValueError) as fault:
            self._body.close()
            raise self._body.fault or _damaged(name, fault) from fault
        except BaseException:
            self._body.close()
            raise
        self.rate = Fraction(address.rate)  # FFmpeg guesses it from the first pictures, which come as they like

    def receive(self) -> Sequence[Received] | None:
        """The next picture, decoded. Raises Fault."""
        try:
            return super().receive()
        except Fault as fault:
            raise self._body.fault or fault from fault.__cause__

    def close(self) -> None:
        """Closes the container, and hangs up."""
        super().close()
        self._body.close()


def _damaged(name: str, fault: Exception) -> Fault:
    return Fault(f"{name} sends what is no video: {reason(fault)}", "start the HoloLens anew")
