"""Shapes of charts as SVG, in a box of 1000 × 100 that is stretched to its place on the page.

Lines keep their width whatever the box becomes; letters do not stand in it, they are HTML beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from outputs.report.axes import Axis
from outputs.report.words import text

WIDTH, HEIGHT = 1000, 100


@dataclass(frozen=True, slots=True)
class Slice:
    """What a point of a chart stands for: from where to where on its axis, 0 … 1."""

    left: float
    right: float

    @property
    def middle(self) -> float:
        """Between them."""
        return (self.left + self.right) / 2


def slices(points: int, width_s: float, axis: Axis) -> list[Slice]:
    """Points of equal width from 0 on; the last one ends where the axis does."""
    edges = [axis.place(index * width_s) for index in range(points)] + [1.0]
    return [Slice(left, right) for left, right in pairwise(edges)]


def area(where: Sequence[Slice], low: Sequence[float], high: Sequence[float], style: str) -> str:
    """The space between two lines of places 0 … 1 from below; nothing where either is NaN."""
    paths = []
    for run in _runs(where, low, high):
        upper = _corners(where, high, run)
        lower = _corners(where, low, run)
        paths.append(f"M{' '.join(upper)}L{' '.join(reversed(lower))}Z")
    return f'<path d="{"".join(paths)}" {style}/>' if paths else ""


def line(where: Sequence[Slice], values: Sequence[float], style: str) -> str:
    """A line through places 0 … 1 from below; broken where they are NaN."""
    paths = [f"M{' '.join(_corners(where, values, run))}" for run in _runs(where, values, values)]
    return f'<path class="line" d="{"".join(paths)}" {style}/>' if paths else ""


def bar(left: float, right: float, *, bottom: float, top: float, style: str, tip: str = "") -> str:
    """A rectangle between places 0 … 1."""
    title = f"<title>{text(tip)}</title>" if tip else ""
    return (
        f'<rect x="{_x(left)}" y="{_y(top)}" width="{_number((right - left) * WIDTH)}"'
        f' height="{_number((top - bottom) * HEIGHT)}" {style}>{title}</rect>'
    )


def tips(where: Sequence[Slice], words: Iterable[str]) -> str:
    """What the pointer reads over each slice."""
    named = ((each, said) for each, said in zip(where, words, strict=True) if said)
    return "".join(bar(each.left, each.right, bottom=0, top=1, style='class="tip"', tip=said) for each, said in named)


def grid(across: Axis | None, up: Axis | None) -> str:
    """Fine lines at the ticks."""
    lines = [f"M{_x(place)},0V{HEIGHT}" for place, _ in (across.ticks if across else ())]
    lines += [f"M0,{_y(place)}H{WIDTH}" for place, _ in (up.ticks if up else ())]
    return f'<path class="grid" d="{"".join(lines)}"/>'


def box(label: str, content: str) -> str:
    """The drawing; ``label`` says in words what it shows."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{text(label)}">'
        f"{content}</svg>"
    )


def _runs(where: Sequence[Slice], low: Sequence[float], high: Sequence[float]) -> Iterator[range]:
    """Ranges without NaN."""
    begin = 0
    for index in range(len(where) + 1):
        if index == len(where) or math.isnan(low[index]) or math.isnan(high[index]):
            if index > begin:
                yield range(begin, index)
            begin = index + 1


def _corners(where: Sequence[Slice], values: Sequence[float], run: range) -> list[str]:
    """Through the middles, from the first slice's left to the last one's right."""
    first, last = run[0], run[-1]
    points = [f"{_x(where[index].middle)},{_y(values[index])}" for index in run]
    return [f"{_x(where[first].left)},{_y(values[first])}", *points, f"{_x(where[last].right)},{_y(values[last])}"]


def _x(place: float) -> str:
    return _number(place * WIDTH)


def _y(place: float) -> str:
    return _number((1 - min(max(place, 0.0), 1.0)) * HEIGHT)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
