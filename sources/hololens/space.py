"""What a HoloLens says of space, in the form of ``contracts.space``.

It gives matrices for row vectors, and its picture camera looks along -z with y up: ``picture = (x, y, z) @
[[-fx, 0, 0], [0, fy, 0], [cx, cy, 1]]``, divided by its third part. Turned by half a circle around x that is OpenCV's
camera with the same focal lengths and the same principal point. The depth camera looks along z already, and measures
along the ray, not along its axis.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from contracts.space import Depth, Intrinsics, Pose
from sources.hololens.messages import LongThrowCalibration, Rows, VideoPacket
from sources.live.connection import Fault

_HALF_TURN = np.diag([1.0, -1.0, -1.0, 1.0])
"""Around x: OpenCV's axes ↔ the picture camera's."""
_RIGID = 0.01
"""How far a rotation's columns may be from unit length and right angles."""


def picture_pose(rows: Rows) -> Pose | None:
    """Camera → world of a picture; None where the device did not know where it was (all zeros)."""
    pose = _columns(rows)
    return None if pose is None else pose @ _HALF_TURN


def picture_intrinsics(packet: VideoPacket) -> Intrinsics | None:
    """The camera at this picture: it focuses by itself, which changes them; None where the device says nothing."""
    values = (*packet.focal, *packet.principal)
    if not all(map(math.isfinite, values)) or min(packet.focal) <= 0:
        return None
    return Intrinsics(*values)


class DepthCamera:
    """The Long Throw camera of one device: its numbers as ``Depth``. Raises Fault where it has no inverse."""

    def __init__(self, calibration: LongThrowCalibration) -> None:
        known = np.asarray(np.isfinite(calibration.rays).all(axis=-1))
        rays = np.where(known[..., None], calibration.rays, np.float32(0))
        rays.flags.writeable = False
        self._rays = rays
        lengths = np.sqrt(1 + np.square(rays.astype(np.float64)).sum(axis=-1))
        self._metres = np.where(known, 1 / (lengths * calibration.scale), 0).astype(np.float32)
        try:
            self._to_rig = np.linalg.inv(calibration.extrinsics).T
        except np.linalg.LinAlgError as fault:
            raise Fault("the HoloLens gives no usable calibration of its depth camera", "start it anew") from fault

    def depth(self, along_ray: NDArray[np.uint16], rows: Rows) -> Depth | None:
        """along_ray: (288, 320) as measured, 0 unknown. rows: rig → world. None where the pose is unknown."""
        rig = _columns(rows)
        if rig is None:
            return None
        z = along_ray * self._metres
        z.flags.writeable = False
        return Depth(z, self._rays, rig @ self._to_rig)


def _columns(rows: Rows) -> Pose | None:
    """For column vectors, float64; None where it is no rigid motion."""
    turn = rows[:3, :3]
    if not np.isfinite(rows).all() or rows[3, 3] == 0 or np.abs(turn @ turn.T - np.eye(3)).max() > _RIGID:
        return None
    return np.array(rows.T)
