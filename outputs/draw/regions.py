"""Regions and ignored areas: outlines with name and count, and faint hatching. Few pixels, blended by their index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.areas import Area
from contracts.picture import Pixels
from contracts.polygon import Polygon
from contracts.prediction import Prediction
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Rgb
from outputs.draw.labels import Plates, text_size
from outputs.draw.placing import Places, Rectangle
from outputs.draw.text import LONGEST_NAME, halved, shortened

_PLATE: Rgb = (28, 28, 28)  # no class has it
_BLACK, _WHITE, _GREY = 16, 235, 128  # luma of lines and of what surrounds them; chroma without colour
_EMPTY, _OCCUPIED, _IGNORED = (0.35, 0.55), (0.6, 1.0), (0.25, 0.3)
"""Strength of the dark surrounding and of the white line: both, so that it shows by day and by night."""


@dataclass(frozen=True, slots=True)
class _Coat:
    """One coat of paint: how much of each pixel it covers (uint8, 0 … 255), how strong it is, its luma.

    greys: whether it takes the colour away, too; thin, faint lines need not, which saves a third of their work.
    """

    coverage: Pixels
    strength: float
    luma: int
    greys: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Overlay:
    """Pixels of a canvas's buffer that are painted: v → v × keep / 256 + add."""

    places: NDArray[np.intp]
    keep: NDArray[np.uint16]
    add: NDArray[np.uint16]

    def put(self, canvas: Canvas) -> None:
        """Blend into the canvas, of the size it was made for."""
        pixels = canvas.buffer.reshape(-1)
        pixels[self.places] = (pixels[self.places] * self.keep >> 8) + self.add


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """One region on canvases of one kind. anchor: what its name stands at, even pixels."""

    empty: _Overlay
    occupied: _Overlay
    anchor: Rectangle


class RegionBrush:
    """Paints a run's regions and ignored areas; what it paints is made once for canvases of the same kind."""

    def __init__(self, regions: Mapping[str, Sequence[Polygon]], ignore: Sequence[Polygon]) -> None:
        self._regions, self._ignore = regions, tuple(ignore)
        self._key: object = None
        self._made: dict[str, _Region] = {}
        self._hatching: _Overlay | None = None

    def paint(self, canvas: Canvas, prediction: Prediction) -> None:
        """Hatch what is ignored and outline the regions, those with somebody in them stronger."""
        self._make(canvas)
        if self._hatching is not None:
            self._hatching.put(canvas)
        for name, region in self._made.items():
            (region.occupied if prediction.regions.get(name) else region.empty).put(canvas)

    def paint_names(
        self, canvas: Canvas, prediction: Prediction, plates: Plates, taken: Sequence[Rectangle]
    ) -> list[Rectangle]:
        """Put each region's name and count beside it, off the places that are taken; tells where."""
        self._make(canvas)
        size = text_size(canvas)
        places = Places(canvas.width, canvas.height, band=2 * size)
        for place in taken:
            places.take(place)
        put: list[Rectangle] = []
        for name, region in self._made.items():
            count = sum(prediction.regions.get(name, {}).values())
            plate = plates.get((f"{shortened(name, LONGEST_NAME)} {count}", _PLATE, size, canvas.matrix))
            spot = places.find(region.anchor, plate.width, plate.height)
            if spot is not None:
                plate.put(canvas, *spot)
                put.append((*spot, spot[0] + plate.width, spot[1] + plate.height))
        return put

    def _make(self, canvas: Canvas) -> None:
        key = canvas.width, canvas.height, canvas.frame_width, canvas.frame_height, canvas.zoom
        if key == self._key:
            return
        self._key = key
        self._hatching = _overlay(canvas, _hatching(canvas, _on(canvas, self._ignore))) if self._ignore else None
        self._made = {}
        for name, polygons in self._regions.items():
            area = _on(canvas, polygons)
            empty, occupied = (_overlay(canvas, _outlines(canvas, area, how)) for how in (_EMPTY, _OCCUPIED))
            self._made[name] = _Region(empty, occupied, _anchor(canvas, area.outlines[0]))


def _on(canvas: Canvas, polygons: Sequence[Polygon]) -> Area:
    """Polygons on the canvas's content, the frame as it is drawn."""
    across, down = canvas.zoom
    on_frame = Area.of(polygons, round(canvas.frame_width / across), round(canvas.frame_height / down))
    return on_frame.scaled(canvas.frame_width, canvas.frame_height)


def _anchor(canvas: Canvas, outline: NDArray[np.float64]) -> Rectangle:
    """From the leftmost of the polygon's upper corners to its right lower end: even pixels on the canvas."""
    inside = np.clip(outline, 0, [canvas.frame_width, canvas.frame_height])
    top = inside[inside[:, 1] <= inside[:, 1].min() + 1]
    x1, y1 = top[top[:, 0].argmin()]
    x2, y2 = inside.max(axis=0)
    x1, y1, x2, y2 = (int(side) // 2 * 2 for side in (x1, y1, max(x1, x2), y2))
    return x1 + canvas.left, y1 + canvas.top, x2 + canvas.left, y2 + canvas.top


def _outlines(canvas: Canvas, area: Area, strengths: tuple[float, float]) -> list[_Coat]:
    """A white line in a dark one, so that it is seen on anything."""
    line = max(1, round(1.6 * canvas.scale))
    edge = max(1, round(canvas.scale))
    dark, light = (_lines(canvas, area, width) for width in (line + 2 * edge, line))
    return [_Coat(dark, strengths[0], _BLACK), _Coat(light, strengths[1], _WHITE)]


def _lines(canvas: Canvas, area: Area, width: int) -> Pixels:
    """The edges of every polygon, ``width`` pixels wide, on the canvas; nothing on its bars."""
    coverage = np.zeros((canvas.height, canvas.width), np.uint8)
    picture = coverage[canvas.top : canvas.top + canvas.frame_height, canvas.left : canvas.left + canvas.frame_width]
    for outline in area.outlines:
        # OpenCV means pixels' centres, in sixteenths here
        corners = np.round((outline - 0.5) * 16).astype(np.int32)
        cv2.polylines(picture, [corners], isClosed=True, color=(255,), thickness=width, lineType=cv2.LINE_AA, shift=4)
    return coverage


def _hatching(canvas: Canvas, area: Area) -> list[_Coat]:
    """Diagonal lines inside the polygons, dark beside white, and their outlines."""
    width, step = max(1.0, 1.4 * canvas.scale), max(14, round(22 * canvas.scale))
    inside = np.zeros((canvas.height, canvas.width), np.uint8)
    picture = inside[canvas.top : canvas.top + canvas.frame_height, canvas.left : canvas.left + canvas.frame_width]
    picture[:] = area.mask(canvas.frame_width, canvas.frame_height)
    across, down = np.arange(canvas.width, dtype=np.uint16) % step, np.arange(canvas.height, dtype=np.uint16) % step
    diagonal = np.add.outer(down, across)  # 0 … 2 step - 2: which of the parallel lines a pixel is on
    coats = _outlines(canvas, area, _IGNORED)
    for middle, strength, luma in ((step / 2 + width * 1.4, _IGNORED[0], _BLACK), (step / 2, _IGNORED[1], _WHITE)):
        places = np.arange(2 * step) % step
        profile = np.clip(width / 2 + 0.5 - np.abs(places - middle) / np.sqrt(2), 0, 1)
        coats.append(_Coat(np.round(profile * 255).astype(np.uint8)[diagonal] * inside, strength, luma, greys=False))
    return coats


def _overlay(canvas: Canvas, coats: Sequence[_Coat]) -> _Overlay:
    """Coats one on another, the last on top, as one blend of the pixels that any of them covers."""
    size = canvas.width * canvas.height
    luma = _blend([(coat.coverage, coat.strength, coat.luma) for coat in coats])
    chroma = _blend([(halved(coat.coverage), coat.strength, _GREY) for coat in coats if coat.greys])
    planes = ((0, luma), (size, chroma), (size * 5 // 4, chroma))
    places = np.concatenate([offset + places for offset, (places, _, _) in planes])
    keep, add = (np.concatenate([plane[which] for _, plane in planes]) for which in (1, 2))
    return _Overlay(places, np.round(keep * 256).astype(np.uint16), np.round(add).astype(np.uint16))


def _blend(coats: Sequence[tuple[Pixels, float, int]]) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[Any]]:
    """Of one plane: which pixels are painted, what of each is kept (0 … 1), what is added."""
    covered = coats[0][0].copy()
    for coverage, _, _ in coats[1:]:
        np.maximum(covered, coverage, out=covered)
    places = np.flatnonzero(covered)
    keep, add = np.ones(len(places)), np.zeros(len(places))
    for coverage, strength, value in coats:
        share = coverage.reshape(-1)[places] * (strength / 255)
        keep *= 1 - share
        add = add * (1 - share) + value * share
    return places, keep, add
