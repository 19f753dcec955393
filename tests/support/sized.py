"""What was found in rooms of ``tests.support.space``, and how large the pipeline says it is."""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.frame import Frame
from contracts.prediction import Detections, InstanceMasks, Part
from contracts.sizes import Sizes
from contracts.space import Pose
from pipeline.sizing import Sizing
from tests.support.space import HEIGHT, WIDTH, Piece, turned

Pixels = NDArray[np.uint8]
Box = tuple[float, ...]
WALL = Piece(np.eye(4))


def before(distance: float, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Pose:
    """A camera that looks at the world's middle from so many metres, turned around it."""
    pose = turned(yaw, pitch, roll)
    pose[:3, 3] = -distance * pose[:3, 2]
    return pose


def instances(*found: tuple[Pixels, Box]) -> InstanceMasks:
    return InstanceMasks(detections(*(box for _, box in found)), tuple(mask for mask, _ in found))


def detections(*boxes: Box) -> Detections:
    count = len(boxes)
    given = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(given, np.full(count, 0.9, np.float32), np.zeros(count, np.int32), ("thing",))


def sizes(part: Part, seen: Frame) -> Sizes:
    sized = Sizing().sized({"head": part}, seen)["head"]
    found = sized.detections if isinstance(sized, InstanceMasks) else sized
    assert isinstance(found, Detections)
    assert found.sizes is not None
    return found.sizes


def united(*found: tuple[Pixels, Box]) -> tuple[Pixels, Box]:
    """Several masks as one."""
    whole = reduce(np.maximum, (part.on_frame((WIDTH, HEIGHT))[0].astype(np.uint8) for part in map(instances, found)))
    left, top, width, height = cv2.boundingRect(whole)
    return whole[top : top + height, left : left + width], (left, top, left + width, top + height)
