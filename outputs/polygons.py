"""Polygons around the set pixels of a mask, for label files.

A polygon runs a quarter of a pixel inside the outermost pixels' edges: readers that ask for pixel centres inside it
(COCO) and readers that cut its corners to whole pixels and fill (OpenCV, ultralytics) then get the same pixels back.
A hole is cut in by a seam: the ring runs over to the hole, around it and back the same way, which fills right under
the even-odd and under the non-zero rule. Polygons are simplified by about a third of a pixel at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""float64 (N, 2): x, y in pixels; the last point is joined with the first."""

_SIMPLER = 0.7  # half pixels a simplified polygon may be off; less than the corners that contours of holes cut off


def rings_of(mask: NDArray[np.uint8]) -> list[Ring]:
    """One ring per connected part of a mask (h, w), largest first; pixel (column, row) covers [column, column + 1).

    Holes are cut into the ring they lie in. Nothing set: no ring.
    """
    doubled = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts: list[tuple[float, Ring]] = []
    for index, contour in enumerate(contours):
        _, _, hole, parent = hierarchy[0][index]
        if parent >= 0:
            continue
        ring = _ring(contour)
        while hole >= 0:
            ring = _seamed(ring, _ring(contours[hole]))
            hole = hierarchy[0][hole][0]
        parts.append((cv2.contourArea(contour), ring))
    parts.sort(key=lambda part: -part[0])
    return [ring for _, ring in parts]


def joined(rings: Sequence[Ring]) -> Ring:
    """All rings as one, joined by seams of no width: for formats with one polygon per object. At least one ring."""
    whole = rings[0]
    for ring in rings[1:]:
        whole = _seamed(whole, ring)
    return whole


def _ring(contour: NDArray[Any]) -> Ring:
    """A contour through the centres of half pixels → pixels of the mask."""
    simple = cv2.approxPolyDP(contour, _SIMPLER, True)
    points = simple if len(simple) > 2 else contour
    return np.asarray(points.reshape(-1, 2) / 2 + 0.25, np.float64)


def _seamed(ring: Ring, other: Ring) -> Ring:
    """``ring``, which at its point nearest to ``other`` runs over, around it and back."""
    distances = ((ring[:, None] - other[None]) ** 2).sum(axis=2)
    here, there = np.unravel_index(int(distances.argmin()), distances.shape)
    around = np.concatenate([other[there:], other[: there + 1]])
    return np.concatenate([ring[: here + 1], around, ring[here:]])
