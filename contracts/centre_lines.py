"""Centre lines of masks: where the thin things in them run, and how long they are (lane lines, cracks).

The mask is thinned to lines one pixel wide, these are cut at forks, and what is only a ragged edge's echo is taken
off: branches that hardly leave the disc that fits into the mask at their fork. Free ends, which thinning shortens, are
prolonged to the mask's edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.skeleton import Branch, Line, branches_of, length_of
from contracts.thinning import thinned

_Pixels = NDArray[np.uint8]

_BENT = 2.0
"""Radii at a free end in which the thinned line may bend to a corner."""
_WIDEST = 8.0
"""Half a width in pixels to which a mask twice as wide or wider is scaled down: it has no finer centre line."""
_REACH = 2  # points each way of the moving average: the steps of a digital line at any angle are gone, bends stay


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


def centre_lines(mask: _Pixels, shortest: float = 0.0) -> list[CentreLine]:
    """The centre lines of a mask, uint8 (h, w) of 0 and 1; none where nothing is set, or noise. At a fork they meet.

    Something without a longer side is a line of three points across it. In pixels of the mask, whatever size it was
    thinned at. shortest: most stretches below so many pixels may be left out, for who does not want them.
    """
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return []
    there = mask[top : top + height, left : left + width]
    padded = _bordered(there)
    radii = _radii(padded)
    widest, scale = float(radii.max()), np.ones(2)
    if widest > 2 * _WIDEST:
        size = (max(round(width * _WIDEST / widest), 1), max(round(height * _WIDEST / widest), 1))
        shrunk = cv2.resize(there * np.uint8(255), size, interpolation=cv2.INTER_AREA)
        scale = np.array([width / size[0], height / size[1]])
        # What is thin beside something wide must not vanish, so a quarter of a pixel is one.
        padded, shortest = _bordered(np.asarray(shrunk > 63, np.uint8)), 0.0
        radii = _radii(padded)
    corner = np.array([left, top])
    found = _lines(padded, radii, shortest)
    return [CentreLine(line.points * scale + corner, line.width * float(scale.mean())) for line in found]


def _bordered(mask: _Pixels) -> _Pixels:
    """With a border of one pixel of 0."""
    return np.asarray(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.uint8)


def _radii(padded: _Pixels) -> NDArray[np.float32]:
    """How far every set pixel is from the nearest one that is not."""
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)


def _lines(padded: _Pixels, radii: NDArray[np.float32], shortest: float) -> list[CentreLine]:
    """Of a mask with a border of one pixel; points without it."""
    branches = [branch for branch in branches_of(thinned(padded), radii) if branch.length >= shortest / 2]
    return list(_finished(branches, padded, radii)) if branches else []


def _finished(branches: Sequence[Branch], padded: _Pixels, radii: NDArray[np.float32]) -> Iterator[CentreLine]:
    """Smoothed, and prolonged where they end freely."""
    rows_of = _Rows.of(branches)
    columns, rows = rows_of.points.round().astype(np.intp).T
    halves = radii[rows, columns]
    smooth = rows_of.smoothed(rows_of.centred(columns, rows, radii))
    ends = np.cumsum([len(branch.points) for branch in branches])[:-1]
    for branch, points, half in zip(branches, np.split(smooth, ends), np.split(halves, ends), strict=True):
        line = points
        if len(line) == 1:
            line = _across(line[0], padded, float(half[0]))
        else:
            if branch.forks[0] == 0:
                line = _to_the_tip(line[::-1], padded, float(half[0]))[::-1]
            if branch.forks[1] == 0:
                line = _to_the_tip(line, padded, float(half[-1]))
        yield CentreLine(line - 0.5, max(2 * float(half.mean()) - 0.5, 1.0))  # less the border, plus half a pixel


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Branches one behind the other. first, last: where each point's own branch begins and ends."""

    points: Line
    first: NDArray[np.intp]
    last: NDArray[np.intp]

    @classmethod
    def of(cls, branches: Sequence[Branch]) -> _Rows:
        sizes = np.array([len(branch.points) for branch in branches])
        behind = np.cumsum(sizes)
        first, last = np.repeat(behind - sizes, sizes), np.repeat(behind - 1, sizes)
        return cls(np.concatenate([branch.points for branch in branches]), first, last)

    def centred(self, columns: NDArray[np.intp], rows: NDArray[np.intp], radii: NDArray[np.float32]) -> Line:
        """Points moved across the line to the peak of ``radii`` (parabola): thinning takes one of two middle pixels.

        columns, rows: the pixels of the points.
        """
        places = np.arange(len(self.points))
        ahead, behind = np.minimum(places + _REACH, self.last), np.maximum(places - _REACH, self.first)
        along = np.abs(self.points[ahead] - self.points[behind])
        across = along[:, 0] < along[:, 1]  # whether the line is crossed along x
        down = ~across
        before, after = radii[rows - down, columns - across], radii[rows + down, columns + across]
        bend = np.minimum(before - 2 * radii[rows, columns] + after, -0.1)  # flatter is no peak
        sharp = (bend < -0.1) & (self.last - self.first > 1)  # of one or two points the direction says nothing
        shift = np.where(sharp, (before - after) / (2 * bend), 0).clip(-0.5, 0.5)
        return np.asarray(self.points + np.stack([shift * across, shift * down], axis=1))

    def smoothed(self, points: Line) -> Line:
        """A moving average of them; the ends stay where they are, for lines go on there as if turned by 180°."""
        reach = np.minimum(_REACH, self.last - self.first)
        places, total = np.arange(len(points)), points.copy()
        for step in range(1, _REACH + 1):
            for towards, end in ((places - step, self.first), (places + step, self.last)):
                beyond = (towards < self.first) | (towards > self.last)
                there = points[np.where(beyond, 2 * end - towards, towards) % len(points)]
                there[beyond] = 2 * points[end[beyond]] - there[beyond]
                total += np.where((reach >= step)[:, None], there, 0)
        return np.asarray(total / (2 * reach + 1)[:, None])


def _to_the_tip(points: Line, padded: _Pixels, radius: float) -> Line:
    """The line without its very end, which may bend to a corner, and straight on to where the mask ends."""
    bent = round(_BENT * radius)
    if len(points) > 3 * bent:
        points = points[: len(points) - bent]
    behind = min(len(points) - 1, max(2 * _REACH, round(3 * radius)))
    (start_x, start_y), (x, y) = points[-1 - behind].tolist(), points[-1].tolist()
    far = math.hypot(x - start_x, y - start_y)
    if not far:
        return points
    way = ((x - start_x) / far, (y - start_y) / far)
    reach = _reach((x, y), way, padded, radius)
    return np.concatenate([points, [(x + way[0] * reach, y + way[1] * reach)]])


def _across(point: Line, padded: _Pixels, radius: float) -> Line:
    """The longest line through a point, of sixteen directions."""
    x, y = point.tolist()
    ways = [(math.cos(angle), math.sin(angle)) for angle in (step * math.pi / 8 for step in range(8))]
    ends = [(_reach((x, y), (-way[0], -way[1]), padded, radius), _reach((x, y), way, padded, radius)) for way in ways]
    back, forth = max(ends, key=sum)
    way = np.array(ways[ends.index((back, forth))])
    return np.stack([point - back * way, point, point + forth * way])


def _reach(point: tuple[float, float], way: tuple[float, float], padded: _Pixels, radius: float) -> float:
    """How far the mask goes on from a point in a direction, to a quarter of a pixel; four radii at most."""
    height, width = padded.shape
    x, y = point[0] + 0.5, point[1] + 0.5
    step_x, step_y = way[0] / 2, way[1] / 2
    steps = 0
    while steps < 8 * radius + 4:
        x, y = x + step_x, y + step_y
        if not (0 <= x < width and 0 <= y < height and padded.item(int(y), int(x))):
            break
        steps += 1
    return steps / 2 + 0.25
