"""Small pictures: shrunk while the run lasts, made into JPEGs only when it is known which are shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Picture, Pixels

_LONGEST = 560  # pixels: sharp in a column of a wide page
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
    """Shrunk, plane by plane."""
    scale = min(1.0, _LONGEST / max(picture.width, picture.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (picture.width, picture.height))
    if picture.format != "yuv420p":
        return Thumbnail(Picture.from_bgr(_shrunk(picture.bgr(), width, height)))
    y, u, v = picture.planes
    half = width // 2, height // 2
    planes = (_shrunk(y, width, height), _shrunk(u, *half), _shrunk(v, *half))
    return Thumbnail(Picture("yuv420p", planes, picture.matrix, picture.full_range, picture.tagged))


def _shrunk(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


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
