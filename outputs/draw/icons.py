"""Icons of road users: what it is, where it is, what its lights say. Polygons, crisp at any size.

Each icon is drawn on a grid of 24 × 24, y downwards, in layers from the bottom; it is meant for a dark plate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from math import cos, pi, sin

import cv2
import numpy as np

from contracts.picture import Pixels
from outputs.draw.colours import Rgb

GROUND: Rgb = (24, 24, 24)
"""The plate under icons; holes in them show it."""
WHITE: Rgb = (255, 255, 255)
_DIM: Rgb = (120, 120, 120)
_RED: Rgb = (255, 40, 40)
_AMBER: Rgb = (255, 176, 0)
_BLUE: Rgb = (30, 110, 220)
_GRID = 24
_FINER = 8
"""Points per pixel and axis of which an edge's coverage is the mean."""

Polygon = Sequence[tuple[float, float]]
_Layer = tuple[Rgb, tuple[Polygon, ...]]


class Icon(Enum):
    """What can be shown."""

    CAR = "car"
    CAR_BRAKING = "car, braking"
    BUS = "bus"
    BUS_BRAKING = "bus, braking"
    TRUCK = "truck"
    TRUCK_BRAKING = "truck, braking"
    LEFT = "left indicator"
    RIGHT = "right indicator"
    HAZARD = "hazard lights"
    OWN_LANE = "own lane"
    OUTGOING_LANE = "outgoing lane"
    INCOMING_LANE = "incoming lane"
    JUNCTION = "junction"
    PARKING = "parking"


def layers_of(icon: Icon, side: int) -> list[tuple[Rgb, Pixels]]:
    """Colour and coverage, uint8 (side, side), of each layer of an icon, from the bottom."""
    return [(colour, _coverage(polygons, side)) for colour, polygons in _ICONS[icon]]


def _coverage(polygons: Sequence[Polygon], side: int) -> Pixels:
    fine = np.zeros((side * _FINER, side * _FINER), np.uint8)
    for polygon in polygons:
        points = np.rint(np.array(polygon) * (side * _FINER / _GRID) - 0.5).astype(np.int32)
        cv2.fillPoly(fine, [points], (255,))
    return np.asarray(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _bar(left: float, top: float, right: float, bottom: float) -> Polygon:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _mirrored(polygon: Polygon) -> Polygon:
    return tuple((_GRID - x, y) for x, y in polygon)


def _upside_down(polygon: Polygon) -> Polygon:
    return tuple((x, _GRID - y) for x, y in polygon)


def _moved(polygon: Polygon, right: float) -> Polygon:
    return tuple((x + right, y) for x, y in polygon)


def _both(polygon: Polygon) -> tuple[Polygon, Polygon]:
    """On either side of the middle."""
    return polygon, _mirrored(polygon)


def _arc(x: float, y: float, radius: float, first: float, last: float) -> list[tuple[float, float]]:
    """Points of a circle from ``first`` to ``last``, in quarters of a turn from the right, clockwise as seen."""
    angles = np.linspace(first, last, 12) * (pi / 2)
    return [(x + radius * cos(angle), y + radius * sin(angle)) for angle in angles.tolist()]


def _round(left: float, top: float, right: float, bottom: float, radius: float) -> Polygon:
    """A rectangle with round corners."""
    x1, y1, x2, y2 = left + radius, top + radius, right - radius, bottom - radius
    corners = ((x1, y1, 2), (x2, y1, 3), (x2, y2, 4), (x1, y2, 5))
    return [point for x, y, quarter in corners for point in _arc(x, y, radius, quarter, quarter + 1)]


def _vehicle(body: Polygon, holes: Sequence[Polygon], lamp: Polygon, third: Polygon, *, braking: bool) -> list[_Layer]:
    """From behind: body and wheels, windows, lamps, and the third brake light under the roof."""
    layers: list[_Layer] = [(WHITE, (body, *_both(_bar(4, 18, 8.5, 22.5)))), (GROUND, tuple(holes))]
    if braking:
        return [*layers, (_RED, (*_both(lamp), third))]
    return [*layers, (GROUND, _both(lamp))]


def _car(*, braking: bool) -> list[_Layer]:
    body = [(7, 3), (17, 3), (19, 10), (22.5, 12), (22.5, 20), (1.5, 20), (1.5, 12), (5, 10)]
    window = [(8.5, 5), (15.5, 5), (16.8, 10), (7.2, 10)]
    return _vehicle(body, [window], _bar(1.5, 12.5, 8, 16.5), _bar(9, 5, 15, 7.5), braking=braking)


def _bus(*, braking: bool) -> list[_Layer]:
    holes = [_bar(5.5, 4.5, 18.5, 11)]
    return _vehicle(_round(3, 1.5, 21, 20, 2.5), holes, _bar(3, 13, 8.5, 17.5), _bar(8, 4.5, 16, 7), braking=braking)


def _truck(*, braking: bool) -> list[_Layer]:
    holes = [_bar(11.3, 3.5, 12.7, 14), _bar(3, 14.2, 21, 15.4)]
    return _vehicle(_bar(3, 1.5, 21, 20), holes, _bar(3, 15.4, 9, 19), _bar(8, 1.5, 16, 3.5), braking=braking)


_TURN: Polygon = ((1, 12), (11, 2.5), (11, 7.5), (22, 7.5), (22, 16.5), (11, 16.5), (11, 21.5))
_UP: Polygon = ((6, 2), (11, 9.5), (7.8, 9.5), (7.8, 22), (4.2, 22), (4.2, 9.5), (1, 9.5))
_AHEAD: Polygon = ((12, 6), (16.2, 13), (13.6, 13), (13.6, 22), (10.4, 22), (10.4, 13), (7.8, 13))
_LANE_LINE: Polygon = ((0.5, 22.5), (4, 22.5), (9, 2), (6.5, 2))
_DASHES = tuple(_bar(11.2, top, 12.8, top + 3) for top in (1, 5.5, 15.5, 20))
_LETTER_P: Polygon = ((7.5, 4.5), (12.5, 4.5), *_arc(12.8, 9.2, 4.7, -1, 1), (11.2, 13.9), (11.2, 19.5), (7.5, 19.5))
_EYE_OF_P: Polygon = ((11.2, 7.6), (12.5, 7.6), *_arc(12.6, 9.2, 1.6, -1, 1), (11.2, 10.8))

_ICONS: Mapping[Icon, Sequence[_Layer]] = {
    Icon.CAR: _car(braking=False),
    Icon.CAR_BRAKING: _car(braking=True),
    Icon.BUS: _bus(braking=False),
    Icon.BUS_BRAKING: _bus(braking=True),
    Icon.TRUCK: _truck(braking=False),
    Icon.TRUCK_BRAKING: _truck(braking=True),
    Icon.LEFT: [(_AMBER, (_TURN,))],
    Icon.RIGHT: [(_AMBER, (_mirrored(_TURN),))],
    Icon.HAZARD: [
        (_AMBER, (((12, 1), (23.5, 21.5), (0.5, 21.5)),)),
        (GROUND, (((12, 6.5), (18.8, 18.8), (5.2, 18.8)),)),
        (_AMBER, (((12, 10.5), (16, 17.6), (8, 17.6)),)),
    ],
    Icon.OWN_LANE: [(WHITE, (*_both(_LANE_LINE), _AHEAD))],
    # As on the sign for two-way traffic: the lane that is meant is bright.
    Icon.OUTGOING_LANE: [(_DIM, (_upside_down(_UP),)), (WHITE, (_moved(_UP, 12),))],
    Icon.INCOMING_LANE: [(_DIM, (_moved(_UP, 12),)), (WHITE, (_upside_down(_UP),))],
    Icon.JUNCTION: [
        (WHITE, (_bar(8, 0.5, 16, 23.5), _bar(0.5, 8, 23.5, 16))),
        (GROUND, (*_DASHES, *(tuple((y, x) for x, y in dash) for dash in _DASHES))),
    ],
    Icon.PARKING: [(_BLUE, (_round(1, 1, 23, 23, 4),)), (WHITE, (_LETTER_P,)), (_BLUE, (_EYE_OF_P,))],
}
