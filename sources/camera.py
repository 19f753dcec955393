"""A USB or CSI camera as a live source: it may be unplugged, and is read again when it is there again."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from contracts.live import Patience
from sources.camera_device import CameraAddress, Device, choices_of, lost_fault, open_device
from sources.cameras import lasting_names
from sources.live.connection import Attempt, Connection, Fault
from sources.live.container import ContainerConnection
from sources.live.source import Identity, LiveSource
from sources.names import name_of

log = logging.getLogger(__name__)


def open_camera(device: Device, address: CameraAddress, uri: str, patience: Patience) -> LiveSource:
    """Opens a device. Raises SourceError where it cannot be opened or stays silent."""
    source = LiveSource(Identity(name_of(uri), uri, device.name), CameraOpener(device, address), patience)
    _say_what_it_chose(source, device, address)
    return source


class CameraOpener:
    """Opens a camera, also where it has become another device file since it was plugged in again."""

    def __init__(self, device: Device, address: CameraAddress, root: Path = Path("/")) -> None:
        self._device, self._address, self._root = device, address, root
        self._links: list[Path] = []

    def __call__(self, _: Attempt) -> Connection:
        """Raises Fault."""
        device = self._found()
        *others, last = choices_of(device, self._address)
        container = None
        for choice in others:
            with suppress(Fault):
                container = open_device(choice)
                break
        container = container or open_device(last)
        self._links = lasting_names(device.address, self._root) or self._links
        return ContainerConnection(container, device.name, live=True, broken=partial(lost_fault, device))

    def _found(self) -> Device:
        """The device where it is now: by what it is called for good, else by its number."""
        there = [link.resolve() for link in self._links if link.exists()]
        if not there or (self._root / self._device.address.lstrip("/")).resolve() in there:
            return self._device
        return replace(self._device, address=str(there[0]))


def _say_what_it_chose(source: LiveSource, device: Device, address: CameraAddress) -> None:
    """Drivers take the nearest they have, without a word."""
    info, chosen = source.info, []
    if address.size is not None and address.size != (info.width, info.height):
        chosen.append(f"{info.width}x{info.height} instead of {address.size[0]}x{address.size[1]}")
    if address.fps is not None and info.rate is not None and abs(info.rate / address.fps - 1) > Fraction(1, 100):
        chosen.append(f"{float(info.rate):g} frames per second instead of {float(address.fps):g}")
    if chosen:
        log.warning("%s does not offer what was asked for: it gives %s", device.name, " and ".join(chosen))
