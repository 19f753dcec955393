"""Area: polygons on a picture of one size. A place is in it when any of them encloses it (even-odd rule)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.polygon import Polygon
from contracts.polygon_pixels import inside


class Area:
    """The union of polygons on a picture of ``width`` × ``height`` pixels; pixel i covers [i, i+1).

    A place on an edge belongs to one side only, so that areas which share an edge share no place.
    """

    def __init__(self, outlines: Sequence[NDArray[np.float64]], width: int, height: int) -> None:
        """outlines: the corners of each polygon in pixels, float64 (N, 2)."""
        self.outlines, self.width, self.height = outlines, width, height
        self._edges = [_edges(outline) for outline in outlines]

    @classmethod
    def of(cls, polygons: Iterable[Polygon], width: int, height: int) -> Area:
        """Polygons as people write them, on a picture of that size."""
        return cls([polygon.on(width, height) for polygon in polygons], width, height)

    def scaled(self, width: int, height: int) -> Area:
        """The same places on the same picture at another size."""
        scale = np.array([width / self.width, height / self.height])
        return Area([outline * scale for outline in self.outlines], width, height)

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which points (N, 2), x and y in pixels, are in the area: bool (N,). NaN is nowhere."""
        within = np.zeros(len(points), np.bool_)
        across, down = points[:, :1], points[:, 1:2]
        for left, top, bottom, slope in self._edges:
            level = (top > down) != (bottom > down)  # (N, edges): a ray to the right of the point may meet the edge
            within |= (level & (across < left + (down - top) * slope)).sum(axis=1) % 2 == 1
        return within

    def mask(self, width: int, height: int) -> NDArray[np.uint8]:
        """The area at another resolution of the same picture: uint8 (height, width), 1 where a pixel's centre is in it.

        Slow enough to be kept.
        """
        united = np.zeros((height, width), np.bool_)
        for outline in self.scaled(width, height).outlines:
            united |= inside(outline, width, height)
        return united.view(np.uint8)


def _edges(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """X and y of each edge's start, y of its end, x per y along it (whatever it is where it is level): (4, N)."""
    (x1, y1), (x2, y2) = outline.T, np.roll(outline, -1, axis=0).T
    return np.stack([x1, y1, y2, (x2 - x1) / np.where(y1 == y2, 1, y2 - y1)])
