"""A USB or CSI camera as a live source: it may be unplugged, and is read again when it is there again."""

from __future__ import annotations

import logging
from fractions import Fraction

from contracts.live import Patience
from sources.camera_device import CameraAddress, Device, lost_fault, open_device
from sources.live.connection import Attempt, Connection
from sources.live.container import ContainerConnection
from sources.live.source import Identity, LiveSource

log = logging.getLogger(__name__)


def open_camera(device: Device, address: CameraAddress, uri: str, patience: Patience) -> LiveSource:
    """Opens a device. Raises SourceError where it cannot be opened or stays silent."""

    def connect(_: Attempt) -> Connection:
        return ContainerConnection(
            open_device(device), device.name, live=True, broken=lambda fault: lost_fault(device, fault)
        )

    source = LiveSource(Identity(address.id, uri, device.name), connect, patience)
    _say_what_it_chose(source, device, address)
    return source


def _say_what_it_chose(source: LiveSource, device: Device, address: CameraAddress) -> None:
    """Drivers take the nearest they have, without a word."""
    info, chosen = source.info, []
    if address.size is not None and address.size != (info.width, info.height):
        chosen.append(f"{info.width}x{info.height} instead of {address.size[0]}x{address.size[1]}")
    if address.fps is not None and info.rate is not None and abs(info.rate / address.fps - 1) > Fraction(1, 100):
        chosen.append(f"{float(info.rate):g} frames per second instead of {float(address.fps):g}")
    if chosen:
        log.warning("%s does not offer what was asked for: it gives %s", device.name, " and ".join(chosen))
