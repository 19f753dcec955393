"""Placing: where labels go, so that they stay on the canvas and off one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

Rectangle = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels; x2 and y2 are outside."""


class Places:
    """What is taken of a canvas of ``width`` × ``height`` pixels.

    Rectangles are kept by bands of ``band`` rows (about a label's height), so a look-up meets neighbours only.
    """

    def __init__(self, width: int, height: int, band: int) -> None:
        self._width, self._height, self._band = width, height, max(band, 1)
        self._taken: defaultdict[int, list[Rectangle]] = defaultdict(list)

    def take(self, rectangle: Rectangle) -> None:
        """Mark as taken, whatever is there."""
        for band in range(rectangle[1] // self._band, (rectangle[3] - 1) // self._band + 1):
            self._taken[band].append(rectangle)

    def is_free(self, rectangle: Rectangle) -> bool:
        """Whether it lies on the canvas and touches nothing that is taken."""
        x1, y1, x2, y2 = rectangle
        if x1 < 0 or y1 < 0 or x2 > self._width or y2 > self._height:
            return False
        for band in range(y1 // self._band, (y2 - 1) // self._band + 1):
            for left, top, right, bottom in self._taken.get(band, ()):
                if x1 < right and left < x2 and y1 < bottom and top < y2:
                    return False
        return True

    def find(self, box: Rectangle, width: int, height: int) -> tuple[int, int] | None:
        """Take the best free place for a label of that size at ``box``; None: there is none, leave it out."""
        for x, y in self._candidates(box, width, height):
            rectangle = (x, y, x + width, y + height)
            if self.is_free(rectangle):
                self.take(rectangle)
                return x, y
        return None

    def _candidates(self, box: Rectangle, width: int, height: int) -> Iterator[tuple[int, int]]:
        """Left upper corners, best first; even when the box and the sizes are.

        On top of the box; in it, where it is so large that little of what it shows is hidden; below; at the right
        side; and one row farther off.
        """
        x1, y1, x2, y2 = box
        left, right = min(x1, self._width - width), max(x2 - width, 0)
        inside = [(left, y1), (left, y2 - height)]
        is_large = x2 - x1 > width and y2 - y1 > 4 * height
        yield left, y1 - height
        if is_large:
            yield from inside
        yield from ((left, y2), (right, y1 - height), (right, y2))
        yield from ((left, y1 - 2 * height), (left, y2 + height))
        if not is_large:
            yield from inside
