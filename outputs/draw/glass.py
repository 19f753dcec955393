"""Glass: dark, translucent plates with round corners, for white text and small areas of colour on any picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.picture import Pixels
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Yuv
from outputs.draw.placing import Rectangle
from outputs.draw.text import halved

_OPACITY = 0.66  # of the plate: dark enough for white text over a white sky
_DARK, _LIGHT, _RIM = 22, 235, 150  # luma of the plate, of the ink, and the least of a tint's rim


def glass_size(width: int, height: int) -> int:
    """Pixels of the text on a plate of a canvas: 15 at 720 rows, never below 11 (the least that stays readable)."""
    return max(11, round(min(width, height) / 720 * 15))


def glass_margin(size: int) -> int:
    """Pixels, even, between a plate with text of ``size`` and the canvas's edges."""
    return round(size * 0.35) * 2


@dataclass(frozen=True, slots=True)
class Tint:
    """A solid rectangle of one colour on a plate; even pixels, so that luma and chroma agree.

    rim: pixels of a lighter line inside its edges, that a dark colour can be told from the plate.
    """

    rectangle: Rectangle
    colour: Yuv
    rim: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Blend:
    """What happens to one plane: v → v × keep / 255 + add."""

    keep: Pixels
    add: Pixels

    def put(self, plane: Pixels, x: int, y: int) -> None:
        height, width = self.keep.shape
        region = plane[y : y + height, x : x + width]
        cv2.multiply(region, self.keep, region, 1 / 255)
        cv2.add(region, self.add, region)


@dataclass(frozen=True, slots=True, eq=False)
class Glass:
    """A finished plate, both sizes even, for one place after the other."""

    y: _Blend
    u: _Blend
    v: _Blend

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.y.keep.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.y.keep.shape[0])

    def put(self, canvas: Canvas, x: int, y: int) -> None:
        """Blend into the canvas with the left upper corner at even pixels x, y."""
        self.y.put(canvas.y, x, y)
        self.u.put(canvas.u, x // 2, y // 2)
        self.v.put(canvas.v, x // 2, y // 2)


def glass(ink: Pixels, radius: int, tints: Sequence[Tint] = ()) -> Glass:
    """Ink (uint8, both sizes even) as one blend per plane: the plate over the picture, tints and ink over both."""
    bare = cv2.bitwise_not(ink)
    keep = np.asarray(cv2.multiply(bare, _clearness(ink.shape[0], ink.shape[1], radius), scale=1 / 255), np.uint8)
    add = np.asarray(cv2.addWeighted(ink, _LIGHT / 255, cv2.subtract(bare, keep), _DARK / 255, 0), np.uint8)
    half = halved(keep)
    grey = np.asarray(cv2.convertScaleAbs(half, alpha=-128 / 255, beta=128), np.uint8)  # what is not kept loses colour
    blue, red = (grey.copy(), grey.copy()) if tints else (grey, grey)
    for tint in tints:
        x1, y1, x2, y2 = tint.rectangle
        keep[y1:y2, x1:x2], add[y1:y2, x1:x2] = 0, max(tint.colour.y, _RIM) if tint.rim else tint.colour.y
        add[y1 + tint.rim : y2 - tint.rim, x1 + tint.rim : x2 - tint.rim] = tint.colour.y
        rows, columns = slice(y1 // 2, y2 // 2), slice(x1 // 2, x2 // 2)
        half[rows, columns], blue[rows, columns], red[rows, columns] = 0, tint.colour.u, tint.colour.v
    return Glass(_Blend(keep, add), _Blend(half, blue), _Blend(half, red))


def _clearness(height: int, width: int, radius: int) -> Pixels:
    """What of the picture shows through the bare plate, of 255: a rectangle with round corners, 255 outside them."""
    shape = np.ones((height, width), np.float32)
    distance = radius - 0.5 - np.arange(radius, dtype=np.float32)  # of pixel centres to the corner circle's centre
    corner = np.clip(radius + 0.5 - np.hypot(distance[:, None], distance[None, :]), 0, 1)
    shape[:radius, :radius] = corner
    shape[:radius, -radius:] = corner[:, ::-1]
    shape[-radius:, :radius] = corner[::-1]
    shape[-radius:, -radius:] = corner[::-1, ::-1]
    return np.asarray(cv2.convertScaleAbs(shape, alpha=-255 * _OPACITY, beta=255), np.uint8)
