"""Scaling: pictures of a size that was asked for, before anything is drawn on them."""

from __future__ import annotations

import cv2
import numpy as np

from contracts.fit import Window
from contracts.picture import Picture, Pixels

_SLIVER = 2  # pixels; a bar this thin would only be a flaw, so the picture fills it


def place_in(picture: tuple[int, int], output: tuple[int, int]) -> Window:
    """Where a picture of a size (width, height) lies in an output of another (even): as large as it fits, centred.

    Everything is even, so that luma and chroma agree; proportions are kept but for that and for bars of up to
    ``_SLIVER`` pixels, which are filled.
    """
    ratio = min(output[0] / picture[0], output[1] / picture[1])
    fitting = (max(2, round(side * ratio / 2) * 2) for side in picture)
    width, height = (limit if limit - side <= _SLIVER else side for side, limit in zip(fitting, output, strict=True))
    return Window((output[0] - width) // 4 * 2, (output[1] - height) // 4 * 2, width, height)


class Scaling:
    """Scales pictures in the form they came in; keeps its memory from frame to frame."""

    def __init__(self) -> None:
        self._planes: dict[int, Pixels] = {}

    def scaled(self, picture: Picture, width: int, height: int) -> Picture:
        """The picture at another size (even), in memory that the next call writes: itself where it has that size.

        Means of the covered pixels where it shrinks, cubic where it grows.
        """
        if (picture.width, picture.height) == (width, height):
            return picture
        shrinks = width * height < picture.width * picture.height
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        planes = []
        for index, plane in enumerate(picture.planes):
            size = (width, height) if index == 0 else (width // 2, height // 2)
            kept = self._planes.get(index)
            self._planes[index] = np.asarray(cv2.resize(plane, size, kept, interpolation=how), np.uint8)
            planes.append(self._planes[index])
        return Picture(picture.format, tuple(planes), picture.matrix, picture.full_range, picture.tagged)

    def in_planes(self, picture: Picture) -> Picture:
        """A bgr24 picture of even size as yuv420p, BT.601 limited; others as they are."""
        if picture.format != "bgr24":
            return picture
        kept = self._planes.get(-1)
        self._planes[-1] = np.asarray(cv2.cvtColor(picture.planes[0], cv2.COLOR_BGR2YUV_I420, kept), np.uint8)
        width, height = picture.width, picture.height
        flat, size = self._planes[-1].reshape(-1), width * height
        half = (height // 2, width // 2)
        planes = (flat[:size].reshape(height, width), flat[size : size * 5 // 4].reshape(half))
        return Picture("yuv420p", (*planes, flat[size * 5 // 4 :].reshape(half)), "bt601", False, True)
