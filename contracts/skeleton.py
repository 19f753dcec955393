"""Skeletons of masks as branches: one pixel wide lines, cut at their forks, without a ragged edge's echo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import cv2
import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]
"""float64 (N, 2): x, y in pixels."""
_Pixels = NDArray[np.uint8]

_SPUR = 1.5
"""Radii of the mask at a fork: a free branch that is shorter is the echo of a corner (√2 radii away) or of an edge."""
_MOST = 1000
"""Branches above which a mask is noise (a network that has learned nothing) and has no lines."""


def length_of(points: Line) -> float:
    """Length of a line along its points."""
    return float(cv2.arcLength(points.astype(np.float32), False))


def branches_of(skeleton: _Pixels, radii: NDArray[np.float32]) -> list[Branch]:
    """The branches of a skeleton, uint8 (h, w) of 0 and 1 whose outermost pixels are 0; none of noise.

    radii: of the mask it was thinned from, how far each pixel is from the nearest one that is not set.
    """
    graph = _Graph(skeleton, radii)
    graph.prune()
    return list(graph.branches.values())


@dataclass(slots=True, eq=False)
class Branch:
    """Pixels of the skeleton in their order, and the fork at either end; 0: a free end. Both -1: a ring."""

    points: Line
    forks: tuple[int, int]

    @property
    def length(self) -> float:
        """Along the points, in pixels."""
        return length_of(self.points)

    def turned(self) -> Branch:
        """The same from its other end."""
        return Branch(self.points[::-1], self.forks[::-1])


class _Graph:
    """Branches and the forks they meet at."""

    def __init__(self, skeleton: _Pixels, radii: NDArray[np.float32]) -> None:
        neighbours = cv2.filter2D(skeleton, cv2.CV_8U, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT)
        crowded = np.asarray((neighbours > 3) & (skeleton > 0), np.uint8)  # itself and three others
        forks, found = cv2.connectedComponents(crowded, connectivity=8)
        labels = np.asarray(found, np.int32)
        rows, columns = crowded.nonzero()
        owners = labels[rows, columns]
        sizes = np.maximum(np.bincount(owners, minlength=forks), 1)
        centres = np.stack([np.bincount(owners, of, forks) / sizes for of in (columns, rows)], axis=1)
        self.branches: dict[int, Branch] = {}
        self._numbers = count()
        self._radii = np.zeros(forks)
        np.maximum.at(self._radii, owners, radii[rows, columns])
        self._at: list[list[int]] = [[] for _ in range(forks)]
        for branch in islice(_pieces(skeleton - crowded, labels, centres), _MOST + 1):
            self._add(branch)
        if len(self.branches) > _MOST:
            self.branches.clear()
            return
        for fork in range(1, forks):
            if not self._at[fork]:
                self._add(Branch(centres[fork : fork + 1], (0, 0)))
            self._join(fork)

    def prune(self) -> None:
        """Takes off what is only an echo of the mask's edge, the shortest first."""
        for number in sorted(self.branches, key=lambda each: self.branches[each].length):
            branch = self.branches.get(number)
            if branch is None or (branch.forks[0] > 0) == (branch.forks[1] > 0):
                continue
            fork = max(branch.forks)
            if branch.length < _SPUR * self._radii[fork] + 1 and len(self._at[fork]) > 1:
                self._remove(number)
                self._join(fork)

    def _add(self, branch: Branch) -> None:
        number = next(self._numbers)
        self.branches[number] = branch
        for fork in branch.forks:
            if fork > 0:
                self._at[fork].append(number)

    def _remove(self, number: int) -> Branch:
        branch = self.branches.pop(number)
        for fork in branch.forks:
            if fork > 0:
                self._at[fork].remove(number)
        return branch

    def _join(self, fork: int) -> None:
        """Makes one branch of two where nothing else meets them."""
        if len(self._at[fork]) != 2 or self._at[fork][0] == self._at[fork][1]:
            return
        one, other = (self._remove(number) for number in tuple(self._at[fork]))
        one = one if one.forks[1] == fork else one.turned()
        other = other if other.forks[0] == fork else other.turned()
        self._add(Branch(np.concatenate([one.points, other.points[1:]]), (one.forks[0], other.forks[1])))


def _pieces(pixels: _Pixels, forks: NDArray[np.int32], centres: Line) -> Iterator[Branch]:
    """The branches of a skeleton without its forks: no pixel has more than two neighbours.

    OpenCV walks around each, so along it and back (a ring: around once); where it turns an end is.
    """
    contours, hierarchy = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for contour, (_, _, _, parent) in zip(contours, () if hierarchy is None else hierarchy[0], strict=True):
        if parent >= 0:  # the inside of a ring
            continue
        walk = np.asarray(contour[:, 0], np.int32)
        around = np.concatenate([walk[-1:], walk, walk[:1]])
        turns = np.flatnonzero((around[2:] == around[:-2]).all(axis=1))
        if not len(turns):
            yield Branch(np.concatenate([walk, walk[:1]]).astype(np.float64), (-1, -1))
            continue
        path = np.concatenate([walk[turns[0] :], walk[: turns[0]]])[: len(walk) // 2 + 1]
        ends = [_near(forks, path[0]), _near(forks, path[-1])]
        if len(path) == 1 and len(ends[0]) > 1:
            ends = [ends[0][:1], ends[0][1:]]
        elif len(path) == 1:
            ends[1] = []
        first, last = (end[0] if end else 0 for end in ends)
        points = path.astype(np.float64)
        points = np.concatenate([centres[first : first + bool(first)], points, centres[last : last + bool(last)]])
        yield Branch(points, (first, last))


def _near(forks: NDArray[np.int32], pixel: NDArray[np.int32]) -> list[int]:
    """The forks a pixel touches."""
    x, y = pixel.tolist()
    return sorted(set(forks[y - 1 : y + 2, x - 1 : x + 2].reshape(-1).tolist()) - {0})
