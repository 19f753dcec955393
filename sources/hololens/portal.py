"""The Device Portal's live video as a live source: an MP4 that never ends, under a certificate nobody else signed."""

from __future__ import annotations

import ssl
from fractions import Fraction
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from urllib.error import HTTPError

from contracts.live import Patience
from contracts.secrets import without_login
from sources.hololens.address import PortalAddress
from sources.hololens.certificates import Pin
from sources.hololens.channel import ASLEEP
from sources.live.connection import Again, Attempt, Connection, Fault
from sources.live.source import Identity, LiveSource
from sources.live.waiting import Waits, sooner
from sources.names import name_of
from sources.network.http import StreamConnection
from sources.network.web import DeviceClient
from sources.network.webfile import LiveBody

_QUICKLY = {"probesize": "32"}
"""Bytes: the index at the beginning says it all, nothing is guessed from pictures."""
_REFUSED = "switch on Device Portal in the HoloLens's settings: Update & Security, For developers"
_LOGIN = "they are those that were set in the Device Portal; write what is special in them as %XX (@ is %40, # is %23)"
_NO_VIDEO = "is it a HoloLens 2? Open its address in a browser: Views, Mixed Reality Capture"
_BUSY = "end other programs that show its live preview, or start the HoloLens anew"
_STATUS: dict[int, tuple[str, str, Again]] = {
    401: ("refuses the user name or the password", _LOGIN, "never"),
    403: ("does not let this user see its video", _LOGIN, "never"),
    404: ("has no such video", _NO_VIDEO, "once live"),
}


def open_portal(address: PortalAddress, uri: str, patience: Patience) -> LiveSource:
    """Opens the video of a device. Raises SourceError where it cannot be reached, refuses or stays silent."""
    pin = Pin(f"{address.host}:{address.port}")
    identity = Identity(name_of(uri), without_login(uri), f"the HoloLens at {address.host}")
    return LiveSource(identity, lambda attempt: _connect(address, pin, attempt), patience)


def _connect(address: PortalAddress, pin: Pin, attempt: Attempt) -> Connection:
    waits = Waits(sooner(attempt.patience.open_s), attempt.stopped)
    client = _PortalClient(address.video, waits, pin.check)
    body = client.get(address.video.bare)
    waits.limit_s = sooner(attempt.patience.read_s)
    try:
        connection = StreamConnection(LiveBody(body), client.name, "mp4", endless=True, options=_QUICKLY)
    except BaseException:
        body.close()
        raise
    connection.rate = Fraction(address.rate)  # FFmpeg guesses it from the first pictures, which come as they like
    return connection


class _PortalClient(DeviceClient):
    """Knows what helps with a HoloLens."""

    def explained(self, fault: Exception) -> Fault:
        """What an exception means, for people."""
        if isinstance(fault, HTTPError):
            what, cure, again = _STATUS.get(fault.code, (f"answers {fault.code}", _BUSY, "always"))
            return Fault(f"{self.name} {what}", cure, again=again)
        said, reason = super().explained(fault), getattr(fault, "reason", fault)
        cure = ASLEEP
        if isinstance(reason, ssl.SSLError | ConnectionRefusedError):
            cure = _REFUSED
        elif isinstance(fault, HTTPException) and not isinstance(fault, IncompleteRead | RemoteDisconnected):
            cure = _NO_VIDEO
        return Fault(said.message, cure, again=said.again)
