"""Lane lines: what a lane mask shows, as polylines on the frame. Computed when an output asks (``Result.lanes()``).

The mask is brought to one size and to the frame's proportions, whatever network made it; its centre lines are found
there (``contracts.centre_lines``), put together where one goes on where another ends (behind a fork, across the gap
of a dashed line or a car), and simplified. Specks and blobs, which have no direction, are left out.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.centre_lines import CentreLine, centre_lines
from contracts.prediction import Mask, Prediction
from contracts.result import LaneLines, Polyline
from contracts.skeleton import Line, length_of

_SIDE = 320  # pixels of the longer side lines are looked for in; all lengths below are in pixels of that grid
_PIECE = 4.0  # least length of a piece: a shorter one has no direction
_SLENDER = 2.0  # least length of a line, in its widths
_SHORTEST = 14.0  # least length of a line that is put together
_MOST = 64  # pieces that are looked at, the longest ones: a road has no more
_OUTLOOK = 10.0  # pixels at a line's end that say where it is heading
_OUTLOOK_POINTS = 64  # more points than lie in them
_GAP = 64.0  # longest gap that is closed, and
_GAP_PER_LONGER, _GAP_PER_SHORTER = 2.5, 6.0  # longest one for the lengths of both pieces: far dashes look short
_TURN = np.cos(np.radians(18.0))  # least cosine of the bend between two pieces
_TOUCHING = 3.0  # pixels between pieces that meet at a fork; there
_FORK_TURN = np.cos(np.radians(35.0))  # they may bend more: thinning bends them
_ASIDE, _ASIDE_PER_GAP = 1.5, (0.07, 0.2)  # pixels a piece may lie beside where the longer, the shorter is heading
_TOLERANCE = 0.6  # pixels a simplified line may be off
_POINTS = 20  # most points of a line


class LaneTracer:
    """Gives the lane lines of predictions; those of a mask that is carried on are found once. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, tuple[Mask, tuple[Polyline, ...]]] = {}

    def __call__(self, prediction: Prediction) -> LaneLines:
        """Per head whose mask has the role "lane": its lines."""
        found: dict[str, tuple[Polyline, ...]] = {}
        for head, mask in prediction.masks().items():
            if mask.role == "lane":
                found[head] = self._lines(head, mask)
        return found

    def _lines(self, head: str, mask: Mask) -> tuple[Polyline, ...]:
        with self._lock:
            known = self._last.get(head)
        if known is not None and known[0] is mask:
            return known[1]
        lines = lane_lines(mask)
        with self._lock:
            self._last[head] = (mask, lines)
        return lines


def lane_lines(mask: Mask) -> tuple[Polyline, ...]:
    """The lines of a mask: float32 (N, 2) each, x, y in pixels of the frame, 2 ≤ N ≤ 20, inside the frame.

    Within a line the end nearest to the frame's bottom comes first; lines come from left to right, by where they
    meet the frame's bottom, prolonged straight if they end above it (lines that lie across: by their middle).
    """
    grid = _grid(mask)
    pieces = [piece for piece in centre_lines(grid, _PIECE) if piece.length >= max(_PIECE, _SLENDER / 2 * piece.width)]
    pieces.sort(key=lambda piece: -piece.length)
    lines = [line for line, width in _joined(pieces[:_MOST]) if length_of(line) >= max(_SHORTEST, _SLENDER * width)]
    fit = mask.fit
    size = np.array([fit.frame_width, fit.frame_height], np.float64)
    upright = [line if line[0, 1] >= line[-1, 1] else line[::-1] for line in lines]
    upright.sort(key=lambda line: _foot(line, grid.shape[0]))
    scale = size / (grid.shape[1], grid.shape[0])
    return tuple(np.asarray((_simplified(line) * scale).clip(0, size), np.float32) for line in upright)


def _grid(mask: Mask) -> NDArray[np.uint8]:
    """What the mask shows of the frame, 0 and 1, in the frame's proportions; one pixel is enough to stay a line."""
    content, fit = mask.content(), mask.fit
    longest = max(fit.frame_width, fit.frame_height)
    width, height = (max(round(side * _SIDE / longest), 1) for side in (fit.frame_width, fit.frame_height))
    smaller = width * height < content.size
    grown = cv2.resize(
        content * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return np.asarray(grown > (84 if smaller else 127), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Both ends of every piece, 2 i and 2 i + 1: where they are and where they are heading (unit vectors)."""

    places: NDArray[np.float64]
    ways: NDArray[np.float64]

    @classmethod
    def of(cls, pieces: Sequence[CentreLine]) -> _Ends:
        ends = [end for piece in pieces for end in (piece.points[::-1], piece.points)]
        return cls(np.stack([end[-1] for end in ends]), np.stack([_heading(end) for end in ends]))


def _heading(line: Line) -> NDArray[np.float64]:
    """Where a line is heading at its end."""
    (x, y), *before = line[: -_OUTLOOK_POINTS - 1 : -1].tolist()
    there_x, there_y, far = x, y, 0.0
    for back_x, back_y in before:
        far += math.hypot(there_x - back_x, there_y - back_y)
        there_x, there_y = back_x, back_y
        if far >= _OUTLOOK:
            break
    length = max(math.hypot(x - there_x, y - there_y), 1e-9)
    return np.array([(x - there_x) / length, (y - there_y) / length])


def _joined(pieces: Sequence[CentreLine]) -> Iterator[tuple[Line, float]]:
    """Pieces that continue one another made one, with their mean width."""
    partner = _partners(pieces) if len(pieces) > 1 else {}
    done: set[int] = set()
    starts = [end for end in range(2 * len(pieces)) if end not in partner]
    for start in (*starts, *range(2 * len(pieces))):  # a ring of pieces has no start: any
        if start // 2 in done:
            continue
        chain: list[Line] = []
        widths: list[float] = []
        end: int | None = start
        while end is not None and end // 2 not in done:
            piece = pieces[end // 2]
            done.add(end // 2)
            chain.append(piece.points[::-1] if end % 2 else piece.points)
            widths.append(piece.width)
            end = partner.get(end ^ 1)
        yield np.concatenate(chain), sum(widths) / len(widths)


def _partners(pieces: Sequence[CentreLine]) -> dict[int, int]:
    """End → the end of another piece that goes on there, both ways; the nearest and straightest first."""
    ends = _Ends.of(pieces)
    between = ends.places[None] - ends.places[:, None]
    gap = np.hypot(between[..., 0], between[..., 1])
    ahead = (between * ends.ways[:, None]).sum(axis=2)
    aside = np.abs(between[..., 0] * ends.ways[:, None, 1] - between[..., 1] * ends.ways[:, None, 0])
    straight = -(ends.ways @ ends.ways.T)
    lengths = np.repeat([piece.length for piece in pieces], 2)
    longer, shorter = np.maximum(lengths[:, None], lengths), np.minimum(lengths[:, None], lengths)
    touching = (gap <= _TOUCHING) & (straight >= _FORK_TURN)
    near = (gap <= _GAP) & (gap <= _GAP_PER_LONGER * longer) & (gap <= _GAP_PER_SHORTER * shorter)
    exactness = np.where(lengths[:, None] >= lengths, *_ASIDE_PER_GAP)
    on_the_way = (ahead > 0) & (aside <= _ASIDE + exactness * gap)
    possible = touching | (near & (straight >= _TURN) & on_the_way & on_the_way.T)
    numbers = np.arange(len(gap))
    possible &= numbers[:, None] // 2 < numbers[None] // 2
    cost = gap + _OUTLOOK * (1 - straight)
    partner: dict[int, int] = {}
    ones, others = possible.nonzero()
    for index in np.argsort(cost[ones, others], kind="stable").tolist():
        one, other = int(ones[index]), int(others[index])
        if one not in partner and other not in partner:
            partner[one], partner[other] = other, one
    return partner


def _foot(line: Line, height: int) -> float:
    """Where a line, its lower end first, meets the bottom (y = height), in pixels of the grid."""
    (x, y), (across, down) = line[0], line[0] - line[len(line) // 2]
    if down <= 0.05 * abs(across):
        return float(line[:, 0].mean())
    return float(x + across / down * (height - y))


def _simplified(line: Line) -> Line:
    """At most ``_POINTS`` points, the ends among them (Douglas and Peucker)."""
    tolerance = _TOLERANCE
    while True:
        simple = cv2.approxPolyDP(line.astype(np.float32).reshape(-1, 1, 2), tolerance, False).reshape(-1, 2)
        if len(simple) <= _POINTS:
            return np.asarray(simple, np.float64)
        tolerance *= 1.5
