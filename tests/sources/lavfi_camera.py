"""FFmpeg's test pictures in the place of a camera."""

from __future__ import annotations

from contracts.live import Patience
from sources.camera import open_camera
from sources.camera_device import CameraAddress, Device
from sources.live.source import LiveSource

ADDRESS = CameraAddress("0")
ONCE = Patience(reconnect=0)
"""What is gone is given up."""


def lavfi(graph: str, address: CameraAddress = ADDRESS, patience: Patience = ONCE) -> LiveSource:
    return open_camera(Device("lavfi", graph, "camera of a test"), address, "camera:0", patience)
