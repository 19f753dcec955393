"""Canvas: the picture of a frame and, pixel for pixel, who is seen there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Pixels
from sources.synthetic.camera import SHIFT, Camera, Floats, Polygon
from sources.synthetic.looks import Colour

GROUND, SCENERY = 0, 255
"""Values in ``Canvas.ids``: nothing stands there; something that is no actor does. Between them: actors."""
MOST_ACTORS = SCENERY - 1


@dataclass(slots=True, eq=False)
class Canvas:
    """picture: (h, w, 3) BGR. ids: (h, w) uint8, who covers each pixel. ``clip``: rows from here on stay untouched."""

    picture: Pixels
    ids: Pixels
    camera: Camera
    clip: int = 0

    def fill(self, polygons: list[Polygon], colour: Colour, owner: int | None = SCENERY) -> None:
        """Paints convex polygons; ``owner`` None: without claiming pixels (details on what is there already)."""
        if not polygons or self.clip < 1:
            return
        picture, ids = self.picture[: self.clip], self.ids[: self.clip]
        if len(polygons) > 1:
            cv2.fillPoly(picture, polygons, colour, cv2.LINE_AA, SHIFT)
        else:
            cv2.fillConvexPoly(picture, polygons[0], colour, cv2.LINE_AA, SHIFT)  # faster
        if owner is not None:
            for polygon in polygons:  # not by fillPoly: without LINE_AA it smears along the frame's sides (OpenCV 5.0)
                cv2.fillConvexPoly(ids, polygon, (owner,), cv2.LINE_8, SHIFT)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice] | None:
        """The pixels of a rectangle that lie inside the frame and above ``clip``; None where there are none."""
        x1, x2 = max(round(left), 0), min(round(right), self.camera.width)
        y1, y2 = max(round(top), 0), min(round(bottom), self.clip)
        return (slice(y1, y2), slice(x1, x2)) if x2 > x1 and y2 > y1 else None


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A flat thing that always faces us: colour times alpha (n, m, 3) and alpha (n, m), at halving sizes."""

    colours: tuple[Pixels, ...]
    alphas: tuple[Pixels, ...]
    aspect: float
    """Width / height."""

    @classmethod
    def from_picture(cls, colour: Pixels, alpha: Pixels) -> Sprite:
        """From a BGR picture and its alpha (h, w) uint8."""
        colours = [np.asarray(cv2.multiply(colour, cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR), scale=1 / 255), np.uint8)]
        alphas = [alpha]
        while min(alphas[-1].shape) > 12:
            size = (alphas[-1].shape[1] // 2, alphas[-1].shape[0] // 2)
            colours.append(np.asarray(cv2.resize(colours[-1], size, interpolation=cv2.INTER_AREA), np.uint8))
            alphas.append(np.asarray(cv2.resize(alphas[-1], size, interpolation=cv2.INTER_AREA), np.uint8))
        return cls(tuple(colours), tuple(alphas), colour.shape[1] / colour.shape[0])

    def paint(self, canvas: Canvas, foot: Floats, height: float, haze: float, haze_colour: Colour) -> None:
        """Stands on ``foot`` (x, y), ``height`` pixels tall, faded by ``haze`` (0 … 1); claims what it covers."""
        width = height * self.aspect
        x, y = round(float(foot[0]) - width / 2), round(float(foot[1]) - height)
        wide, high = max(1, round(width)), max(1, round(height))
        inside = canvas.window(x, y, x + wide, y + high)
        if inside is None:
            return
        level = 0
        while level + 1 < len(self.colours) and self.colours[level + 1].shape[0] >= high:
            level += 1
        rows, columns = inside
        part = (rows.start - y, rows.stop - y, columns.start - x, columns.stop - x)
        colour, alpha = (_stretched(layer[level], wide, high, part) for layer in (self.colours, self.alphas))
        deep = np.asarray(cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR), np.uint8)
        if haze > 0.02:
            faded = cv2.LUT(deep, _ramp(haze_colour, haze))
            colour = np.asarray(cv2.addWeighted(colour, 1 - haze, faded, 1, 0), np.uint8)
        region = canvas.picture[inside]
        cv2.multiply(region, cv2.bitwise_not(deep), dst=region, scale=1 / 255)
        cv2.add(region, colour, dst=region)
        owners = canvas.ids[inside]
        cv2.max(owners, cv2.threshold(alpha, 127, SCENERY, cv2.THRESH_BINARY)[1], dst=owners)


def _ramp(colour: Colour, share: float) -> Pixels:
    """Table (1, 256, 3): alpha → that much of ``share`` of a colour."""
    return np.rint(np.arange(256)[None, :, None] * (np.array(colour) * share / 255)).astype(np.uint8)


def pixels_of(ids: Pixels, owner: int) -> Pixels:
    """255 where ``owner`` covers a pixel, else 0."""
    return np.asarray(cv2.inRange(ids, (owner,), (owner,)), np.uint8)


def _stretched(layer: Pixels, wide: int, high: int, part: tuple[int, int, int, int]) -> Pixels:
    """``layer`` resized to (high, wide), of which only ``part`` (y1, y2, x1, x2) is made."""
    y1, y2, x1, x2 = part
    rows, columns = layer.shape[:2]
    a, b = y1 * rows // high, max(-(-y2 * rows // high), y1 * rows // high + 1)
    c, d = x1 * columns // wide, max(-(-x2 * columns // wide), x1 * columns // wide + 1)
    return np.asarray(cv2.resize(layer[a:b, c:d], (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR), np.uint8)


def glow(image: Pixels, halo: Pixels, centre: Floats, radii: tuple[float, float], until: int) -> None:
    """Adds a halo (n, n, 3) stretched to ``radii`` pixels around ``centre`` to the rows above ``until``."""
    x, y = float(centre[0]) - radii[0], float(centre[1]) - radii[1]
    wide, high = max(2, round(2 * radii[0])), max(2, round(2 * radii[1]))
    left, top = round(x), round(y)
    x1, x2 = max(left, 0), min(left + wide, image.shape[1])
    y1, y2 = max(top, 0), min(top + high, until)
    if x2 > x1 and y2 > y1:
        region = image[y1:y2, x1:x2]
        cv2.add(region, _stretched(halo, wide, high, (y1 - top, y2 - top, x1 - left, x2 - left)), dst=region)


def halo(colour: Colour, sharpness: float = 2.6) -> Pixels:
    """A round glow (64, 64, 3) that is ``colour`` in the middle and nothing at the rim."""
    along = (np.arange(64) + 0.5) / 32 - 1
    away = np.minimum(np.hypot(along[None], along[:, None]), 1)
    strength = (1 - away) ** sharpness
    return np.asarray(np.rint(strength[..., None] * np.array(colour)), np.uint8)
