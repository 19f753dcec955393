"""Small pictures: shrunk while the run lasts, made into JPEGs only when it is known which are shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Picture, Pixels

_LONGEST = 720  # pixels: sharp in a column of a wide page
_QUALITIES = (84, 76, 66, 54, 40)
MOST_BYTES = 1_100_000  # of all JPEGs together; base64 makes 1.5 MB of them


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A picture of its own memory, _LONGEST pixels on its longer side at most."""

    picture: Picture

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.picture.width, self.picture.height


def thumbnail(picture: Picture) -> Thumbnail:
    """Shrunk by halving, which costs a fortieth of any other factor; up to three columns or rows may be cut."""
    planes = picture.planes if picture.format == "yuv420p" else (picture.bgr(),)
    while max(planes[0].shape[:2]) > _LONGEST and min(planes[0].shape[:2]) >= 4:
        height, width = (side // 4 * 4 for side in planes[0].shape[:2])  # chroma's halves are whole too
        sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        planes = tuple(_halved(plane[:down, :across]) for plane, (down, across) in zip(planes, sizes, strict=False))
    planes = tuple(plane.copy() for plane in planes)  # nothing of the run's own pictures is held
    if picture.format != "yuv420p":
        return Thumbnail(Picture.from_bgr(planes[0]))
    return Thumbnail(Picture("yuv420p", planes, picture.matrix, picture.full_range, picture.tagged))


def _halved(plane: Pixels) -> Pixels:
    size = plane.shape[1] // 2, plane.shape[0] // 2
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uris(pictures: Sequence[Thumbnail]) -> list[str]:
    """All as JPEG data URIs, at the best quality at which they fit together."""
    files: list[bytes] = []
    for quality in _QUALITIES:
        files = [_jpeg(each, quality) for each in pictures]
        if sum(map(len, files)) <= MOST_BYTES:
            break
    return [f"data:image/jpeg;base64,{base64.b64encode(file).decode('ascii')}" for file in files]


def _jpeg(one: Thumbnail, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", one.picture.bgr(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a small picture is a JPEG"
    return data.tobytes()
