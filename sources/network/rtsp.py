"""RTSP: cameras and media servers, read by FFmpeg."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
from av.container import InputContainer

from contracts.frame import USUAL_RATE
from contracts.live import Patience
from contracts.trust import NO_LIST, NO_LIST_CURE, greet, trusted_list
from sources.live.connection import Attempt, Connection, Fault, Received
from sources.live.container import ContainerConnection
from sources.live.source import Identity, LiveSource
from sources.live.waiting import sooner
from sources.network.address import NetworkAddress
from sources.network.faults import rtsp_fault, socket_fault
from sources.network.pace import Pace

_GRACE_S = 1.0
"""Seconds FFmpeg waits for the next picture longer than we do: then its thread ends by itself."""
_WAITED = Fraction(1, 2)
"""A picture that took longer than this share of the time between two was waited for."""
_LONGEST_NS = 1_000_000_000
"""For reading what waits, at most."""


def open_rtsp(address: NetworkAddress, patience: Patience) -> LiveSource:
    """Opens a stream that is tried again for ever once it has been live. Raises SourceError."""
    pace = Pace()

    def connect(attempt: Attempt) -> Connection:
        return _connect(address, attempt.patience, pace)

    return LiveSource(Identity(address.id, address.shown, address.name), connect, patience)


def _connect(address: NetworkAddress, patience: Patience, pace: Pace) -> Connection:
    limit_s = sooner(patience.open_s)  # so that FFmpeg can say where it waited
    _find(address, limit_s)

    def broken(fault: Exception) -> Fault:
        return rtsp_fault(address, fault, patience.read_s, patience.transport)

    begun = time.monotonic()
    try:
        container = av.open(
            address.uri, options=_options(address, patience), timeout=(limit_s, patience.read_s + _GRACE_S)
        )
    except (av.FFmpegError, OSError, ValueError) as fault:
        if isinstance(fault, av.InvalidDataError) and time.monotonic() - begun >= limit_s:
            what = f"{address.name} has not answered as an RTSP server does for {limit_s:g} s"
            cure = "look whether it is on and reachable, at the port, and whether its RTSP service is enabled"
            raise Fault(what, cure) from fault
        raise rtsp_fault(address, fault, limit_s, patience.transport) from fault
    return _RtspConnection(container, address.name, broken, pace)


class _RtspConnection(ContainerConnection):
    """The first pictures wait in FFmpeg while it looks at the stream, and then come at once, as if just taken.

    So they are read until one had to be waited for: that is new, and the stream begins with it.
    """

    def __init__(self, container: InputContainer, name: str, broken: Callable[[Exception], Fault], pace: Pace) -> None:
        super().__init__(container, name, live=True, broken=broken)
        self._settled, self._pace = False, pace
        self.rate = self.rate or pace.rate
        pace.begin()

    def receive(self) -> Sequence[Received] | None:
        """The next pictures."""
        received = super().receive() if self._settled else self._newest()
        for each in received or ():
            self._pace.note(each.arrival)
        return received

    def _newest(self) -> list[Received]:
        """The first picture that is new, or the newest that could be had in time."""
        self._settled = True
        newest: list[Received] = []
        wait_ns, end_ns = int(_WAITED / (self.rate or USUAL_RATE) * 10**9), time.monotonic_ns() + _LONGEST_NS
        while (begun := time.monotonic_ns()) < end_ns:
            received = super().receive()
            newest = list(received or newest)[-1:]
            if received and time.monotonic_ns() - begun > wait_ns:
                break
        for one in newest:
            if one.frame.pts is None:  # of the first packet FFmpeg keeps no stamp; its clock begins there
                one.frame.pts = 0
        return newest


def _options(address: NetworkAddress, patience: Patience) -> dict[str, str]:
    options = {
        "rtsp_transport": patience.transport,
        "allowed_media_types": "video",
        "fpsprobesize": "0",  # else it decodes 20 frames first, only to learn the rate
        "protocol_whitelist": "rtp,rtcp,srtp,udp,tcp,tls,crypto,http,https",  # no files
    }
    if address.scheme == "rtsps" and not address.insecure:
        options |= {"tls_verify": "1", "ca_file": _certificates(address)}
    return options


def _find(address: NetworkAddress, limit_s: float) -> None:
    """FFmpeg calls an unknown host, and a certificate nobody trusts, an input/output error. Raises Fault."""
    try:
        if address.scheme == "rtsps" and not address.insecure:
            greet(address.host, address.port, _certificates(address), limit_s)
        else:
            socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise socket_fault(address.name, fault, limit_s) from fault


def _certificates(address: NetworkAddress) -> str:
    """The file with the certificates this machine trusts. Raises Fault."""
    found = trusted_list()
    if found is None:
        raise Fault(f"{address.name}: {NO_LIST}", NO_LIST_CURE, again="never")
    return found
