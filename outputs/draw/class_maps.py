"""Class maps: every class in its own colour, blended into the three planes where some class is painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from contracts.picture import ColourMatrix, Pixels
from contracts.prediction import ClassMap
from outputs.draw.canvas import Canvas
from outputs.draw.colours import Rgb, to_yuv
from outputs.draw.masks import Crop, Scratch, crop_of

_BACKGROUND = frozenset({"background", "void", "unlabeled", "unlabelled", "ignore", "ignored"})
"""Names by which a card says that a class is no class."""


def painted_colour(part: ClassMap, class_id: int) -> Rgb | None:
    """The colour of a class; None: it is not painted, for it is background or the palette does not know it."""
    return _colour(part.name(class_id), part.palette[class_id]) if class_id < len(part.palette) else None


def _colour(name: str, bgr: tuple[int, int, int]) -> Rgb | None:
    blue, green, red = bgr
    return None if name.strip().lower() in _BACKGROUND else (red, green, blue)


class ClassMapBrush:
    """Paints class maps; keeps its scratch memory from frame to frame."""

    def __init__(self) -> None:
        self._painted, self._colours = Scratch(), Scratch()
        self._stencil, self._grown, self._blended = Scratch(), Scratch(), Scratch()

    def paint(self, canvas: Canvas, part: ClassMap, alpha: float) -> None:
        """Blend each pixel with the colour of its class, the nearest of the map; others stay as they are."""
        if alpha <= 0:
            return
        content, tables = part.content(), colour_tables(part.names, part.palette, canvas.matrix)
        painted = self._painted.of(content.shape)
        cv2.LUT(content, tables.painted, painted)
        left, top, width, height = cv2.boundingRect(painted)
        if not width:
            return
        everywhere = cv2.countNonZero(painted) == painted.size
        luma, chroma = (canvas.frame_width, canvas.frame_height), (canvas.u.shape[1], canvas.u.shape[0])
        for size, planes in (
            (luma, ((canvas.y, tables.y),)),
            (chroma, ((canvas.u, tables.u), (canvas.v, tables.v))),
        ):
            across = crop_of(left, width, content.shape[1], size[0])
            down = crop_of(top, height, content.shape[0], size[1])
            stencil = None if everywhere else _grown(_piece(painted, across, down), across, down, self._stencil)
            for plane, table in planes:
                piece = _piece(content, across, down)
                colours = self._colours.of(piece.shape)
                cv2.LUT(piece, table, colours)
                grown = _grown(colours, across, down, self._grown)
                self._blend(plane[down.first : down.last, across.first : across.last], grown, stencil, alpha)

    def _blend(self, region: Pixels, colours: Pixels, stencil: Pixels | None, alpha: float) -> None:
        if stencil is None:
            cv2.addWeighted(region, 1 - alpha, colours, alpha, 0, region)
            return
        blended = self._blended.of(region.shape)
        cv2.addWeighted(region, 1 - alpha, colours, alpha, 0, blended)
        cv2.copyTo(blended, stencil, region)


def _piece(content: Pixels, across: Crop, down: Crop) -> Pixels:
    return content[down.start : down.stop, across.start : across.stop]


def _grown(piece: Pixels, across: Crop, down: Crop, scratch: Scratch) -> Pixels:
    """A piece of the map at the plane's size: each pixel is the one of the map in which its centre lies."""
    grown = scratch.of((down.last - down.first, across.last - across.first))
    cv2.resize(piece, (grown.shape[1], grown.shape[0]), grown, interpolation=cv2.INTER_NEAREST_EXACT)
    return grown


@dataclass(frozen=True, slots=True, eq=False)
class ColourTables:
    """Class id → its colour in each plane, and 255 where it is painted; uint8 (256,) each."""

    painted: Pixels
    y: Pixels
    u: Pixels
    v: Pixels


@lru_cache(maxsize=16)
def colour_tables(
    names: tuple[str, ...], palette: tuple[tuple[int, int, int], ...], matrix: ColourMatrix
) -> ColourTables:
    """The colours of a map's classes as each plane has them."""
    tables = ColourTables(*(np.zeros(256, np.uint8) for _ in range(4)))
    for class_id, bgr in enumerate(palette[:256]):
        colour = _colour(names[class_id] if class_id < len(names) else "", bgr)
        if colour is not None:
            shade = to_yuv(colour, matrix)
            tables.painted[class_id] = 255
            tables.y[class_id], tables.u[class_id], tables.v[class_id] = shade.y, shade.u, shade.v
    return tables
