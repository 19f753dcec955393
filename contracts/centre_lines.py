"""Centre lines of masks: where the thin things in them run, and how long they are (lane lines, cracks).

The mask is thinned to lines one pixel wide (Guo and Hall, "Parallel thinning with two-subiteration algorithms",
CACM 1989), these are cut at forks, and what is only a ragged edge's echo is taken off: branches that hardly leave the
disc that fits into the mask at their fork. Free ends, which thinning shortens, are prolonged to the mask's edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, islice

import cv2
import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]
"""float64 (N, 2): x, y in pixels, pixel (column, row) covering [column, column + 1)."""
_Pixels = NDArray[np.uint8]

_NEIGHBOURS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))  # clockwise from the one above
_SPUR = 1.5
"""Radii of the mask at a fork: a free branch that is shorter is the echo of a corner (√2 radii away) or of an edge."""
_BENT = 2.0
"""Radii at a free end in which the thinned line may bend to a corner."""
_WIDEST = 8.0
"""Half a width in pixels to which a mask twice as wide or wider is scaled down: it has no finer centre line."""
_REACH = 2  # points each way of the moving average: the steps of a digital line at any angle are gone, bends stay


_MOST = 1000
"""Branches above which a mask is noise (a network that has learned nothing) and has no lines."""


@dataclass(frozen=True, slots=True, eq=False)
class CentreLine:
    """One stretch between free ends, forks, or around to itself.

    points: at least one, smoothed; neighbours about a pixel apart. width: mean width of the mask along it, in pixels.
    """

    points: Line
    width: float

    @property
    def length(self) -> float:
        """Along the points, in pixels; of a single point 0."""
        return length_of(self.points)


def length_of(points: Line) -> float:
    """Length of a line along its points."""
    return float(cv2.arcLength(points.astype(np.float32), False))


def centre_lines(mask: _Pixels, shortest: float = 0.0) -> list[CentreLine]:
    """The centre lines of a mask, uint8 (h, w) of 0 and 1; none where nothing is set, or noise. At a fork they meet.

    Something without a longer side is a line of three points across it. In pixels of the mask, whatever size it was
    thinned at. shortest: most stretches below so many pixels may be left out, for who does not want them.
    """
    padded = np.pad(mask, 1)
    radii = _radii(padded)
    widest = float(radii.max())
    if widest > 2 * _WIDEST:
        height, width = mask.shape
        size = (max(round(width * _WIDEST / widest), 1), max(round(height * _WIDEST / widest), 1))
        shrunk = cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
        scale = np.array([width / size[0], height / size[1]])
        # What is thin beside something wide must not vanish, so a quarter of a pixel is one.
        small = np.pad(np.asarray(shrunk > 63, np.uint8), 1)
        found = _lines(small, _radii(small), 0.0)
        return [CentreLine(line.points * scale, line.width * float(scale.mean())) for line in found]
    return _lines(padded, radii, shortest)


def _radii(padded: _Pixels) -> NDArray[np.float32]:
    """How far every set pixel is from the nearest one that is not."""
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)


def thinned(padded: _Pixels) -> _Pixels:
    """A mask (h, w) of 0 and 1 whose outermost pixels are 0 → the same connected parts and holes, one pixel wide."""
    thin = padded.copy()
    flat = thin.reshape(-1)
    alive = np.flatnonzero(flat)
    changed = True
    while changed:
        changed = False
        for removable in _removable():
            gone = removable[_codes(flat, alive, thin.shape[1])]
            if gone.any():
                flat[alive[gone]] = 0
                alive = alive[~gone]
                changed = True
    return thin


def _codes(flat: _Pixels, places: NDArray[np.intp], width: int) -> _Pixels:
    """One bit per neighbour that is set, in the order of ``_NEIGHBOURS``."""
    codes = np.zeros(len(places), np.uint8)
    for bit, (across, down) in enumerate(_NEIGHBOURS):
        codes |= flat[places + (down * width + across)] << np.uint8(bit)
    return codes


@cache
def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which neighbourhoods give their pixel up, in each of the two passes."""
    first, second = np.zeros(256, bool), np.zeros(256, bool)
    for code in range(256):
        p2, p3, p4, p5, p6, p7, p8, p9 = (bool(code >> bit & 1) for bit in range(8))
        parts = (not p2 and (p3 or p4)) + (not p4 and (p5 or p6)) + (not p6 and (p7 or p8)) + (not p8 and (p9 or p2))
        pairs = min(
            (p9 or p2) + (p3 or p4) + (p5 or p6) + (p7 or p8), (p2 or p3) + (p4 or p5) + (p6 or p7) + (p8 or p9)
        )
        if parts == 1 and 2 <= pairs <= 3:
            first[code] = not ((p2 or p3 or not p5) and p4)
            second[code] = not ((p6 or p7 or not p9) and p8)
    return first, second


@dataclass(slots=True, eq=False)
class _Branch:
    """Pixels of the skeleton in their order, and the fork at either end; 0: a free end. Both -1: a ring."""

    points: Line
    forks: tuple[int, int]

    @property
    def length(self) -> float:
        return length_of(self.points)

    def turned(self) -> _Branch:
        return _Branch(self.points[::-1], self.forks[::-1])


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
        self.branches: dict[int, _Branch] = {}
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
                self._add(_Branch(centres[fork : fork + 1], (0, 0)))
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

    def _add(self, branch: _Branch) -> None:
        number = next(self._numbers)
        self.branches[number] = branch
        for fork in branch.forks:
            if fork > 0:
                self._at[fork].append(number)

    def _remove(self, number: int) -> _Branch:
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
        self._add(_Branch(np.concatenate([one.points, other.points[1:]]), (one.forks[0], other.forks[1])))


def _pieces(pixels: _Pixels, forks: NDArray[np.int32], centres: Line) -> Iterator[_Branch]:
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
            yield _Branch(np.concatenate([walk, walk[:1]]).astype(np.float64), (-1, -1))
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
        yield _Branch(points, (first, last))


def _near(forks: NDArray[np.int32], pixel: NDArray[np.int32]) -> list[int]:
    """The forks a pixel touches."""
    x, y = pixel.tolist()
    return sorted(set(forks[y - 1 : y + 2, x - 1 : x + 2].reshape(-1).tolist()) - {0})


def _lines(padded: _Pixels, radii: NDArray[np.float32], shortest: float) -> list[CentreLine]:
    """Of a mask with a border of one pixel; points without it."""
    graph = _Graph(thinned(padded), radii)
    graph.prune()
    return [_finished(branch, padded, radii) for branch in graph.branches.values() if branch.length >= shortest / 2]


def _finished(branch: _Branch, padded: _Pixels, radii: NDArray[np.float32]) -> CentreLine:
    """Smoothed, and prolonged where it ends freely."""
    columns, rows = branch.points.round().astype(int).T
    half = radii[rows, columns]
    points = _smoothed(_centred(branch.points, radii))
    if len(points) == 1:
        points = _across(points[0], padded, float(half[0]))
    else:
        if branch.forks[0] == 0:
            points = _to_the_tip(points[::-1], padded, float(half[0]))[::-1]
        if branch.forks[1] == 0:
            points = _to_the_tip(points, padded, float(half[-1]))
    return CentreLine(points - 0.5, max(2 * float(half.mean()) - 0.5, 1.0))  # less the border, plus half a pixel


def _centred(points: Line, radii: NDArray[np.float32]) -> Line:
    """Points moved across the line to the peak of ``radii`` (parabola): thinning takes one of two middle pixels."""
    if len(points) < 3:
        return points
    columns, rows = points.round().astype(int).T
    places = np.arange(len(points))
    along = points[np.minimum(places + _REACH, len(points) - 1)] - points[np.maximum(places - _REACH, 0)]
    across = np.abs(along[:, 0]) < np.abs(along[:, 1])  # whether the line is crossed along x
    before = radii[rows - ~across, columns - across]
    after = radii[rows + ~across, columns + across]
    bend = before - 2 * radii[rows, columns] + after
    shift = np.where(bend < -0.1, (before - after) / (2 * np.minimum(bend, -0.1)), 0).clip(-0.5, 0.5)
    return np.asarray(points + np.stack([shift * across, shift * ~across], axis=1))


def _smoothed(points: Line) -> Line:
    """A moving average; the ends stay where they are."""
    reach = min(_REACH, len(points) - 1)
    before = 2 * points[0] - points[reach:0:-1]
    after = 2 * points[-1] - points[-2 : -2 - reach : -1]
    longer = np.concatenate([before, points, after])
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), longer]), axis=0)
    width = 2 * reach + 1
    return np.asarray((sums[width:] - sums[:-width]) / width)


def _to_the_tip(points: Line, padded: _Pixels, radius: float) -> Line:
    """The line without its very end, which may bend to a corner, and straight on to where the mask ends."""
    bent = round(_BENT * radius)
    if len(points) > 3 * bent:
        points = points[: len(points) - bent]
    way = points[-1] - points[-1 - min(len(points) - 1, max(2 * _REACH, round(3 * radius)))]
    far = float(np.hypot(*way))
    reach = _reach(points[-1], way / far, padded, radius) if far else 0.0
    return np.concatenate([points, points[-1:] + way / far * reach]) if reach else points


def _across(point: Line, padded: _Pixels, radius: float) -> Line:
    """The longest line through a point, of sixteen directions."""
    angles = np.arange(8) * np.pi / 8
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ends = [(_reach(point, -way, padded, radius), _reach(point, way, padded, radius)) for way in ways]
    back, forth = max(ends, key=sum)
    way = ways[ends.index((back, forth))]
    return np.stack([point - back * way, point, point + forth * way])


def _reach(point: Line, way: Line, padded: _Pixels, radius: float) -> float:
    """How far the mask goes on from a point in a direction, to a quarter of a pixel; four radii at most."""
    height, width = padded.shape
    (x, y), (step_x, step_y) = (point + 0.5).tolist(), (way / 2).tolist()
    steps = 0
    while steps < 8 * radius + 4:
        x, y = x + step_x, y + step_y
        if not (0 <= x < width and 0 <= y < height and padded[int(y), int(x)]):
            break
        steps += 1
    return steps / 2 + 0.25
