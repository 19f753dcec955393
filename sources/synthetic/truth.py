"""Truth: what a perfect network would say about a frame, read off the pixels that were just painted.

Boxes: around the visible pixels of every actor that is at least 6 px high and 4 px wide there and of which at least
a quarter of what lies inside the frame is not covered by nearer things. Hidden parts are not guessed.
Drivable area: the lanes in our own direction, between their outer edge lines, markings included; not the oncoming
lanes, hard shoulders, parking strips or pavements; without what vehicles and scenery cover and what crests hide.
Lane lines: the paint of lengthwise markings of all carriageways up to where a 0.15 m line is ¾ px wide, without what
is covered. Rain, glare and reflections are seen through: they change no truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from contracts.fit import Stretch
from contracts.picture import Pixels
from contracts.prediction import Detections, Mask, Part, Prediction
from sources.synthetic.canvas import GROUND, pixels_of
from sources.synthetic.models import CLASSES

LEAST_HEIGHT, LEAST_WIDTH = 6, 4
"""Pixels."""
LEAST_VISIBLE = 0.25
"""Share of an actor's pixels inside the frame that must not be covered."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An actor right after it was painted. window: (x1, y1, x2, y2) that holds all its pixels; count: how many."""

    owner: int
    class_id: int
    window: tuple[int, int, int, int]
    count: int


def claim(ids: Pixels, owner: int, class_id: int, window: tuple[int, int, int, int]) -> Claim:
    """Counts the pixels an actor has just been given; ``window`` may reach beyond the frame."""
    height, width = ids.shape
    x1, y1, x2, y2 = max(window[0], 0), max(window[1], 0), min(window[2], width), min(window[3], height)
    inside = (x1, y1, max(x2, x1), max(y2, y1))
    return Claim(owner, class_id, inside, _count(ids, inside, owner)[1])


def boxes_of(ids: Pixels, claims: list[Claim]) -> Detections:
    """Boxes (float32, frame pixels) of everybody who is visible enough, in the order of the claims."""
    found: list[tuple[int, int, int, int]] = []
    classes: list[int] = []
    for one in claims:
        own, count = _count(ids, one.window, one.owner)
        if count == 0 or count < LEAST_VISIBLE * one.count:
            continue
        x, y, wide, high = cv2.boundingRect(own)
        if high >= LEAST_HEIGHT and wide >= LEAST_WIDTH:
            left, top = one.window[0] + x, one.window[1] + y
            found.append((left, top, left + wide, top + high))
            classes.append(one.class_id)
    boxes = np.array(found, np.float32).reshape(-1, 4)
    return Detections(boxes, np.ones(len(boxes), np.float32), np.array(classes, np.int32), CLASSES)


def truth_of(ids: Pixels, drivable: Pixels, lane: Pixels, claims: list[Claim]) -> Prediction:
    """The truth of a frame; takes over both masks (uint8 0/1) and clears in them what is covered."""
    height, width = ids.shape
    fit = Stretch(width, height, width, height)
    free = pixels_of(ids, GROUND)
    for mask in (drivable, lane):
        cv2.bitwise_and(mask, free, dst=mask)
    parts: dict[str, Part] = {
        "boxes": boxes_of(ids, claims),
        "drivable": Mask(drivable, fit, "drivable", "drivable"),
        "lane": Mask(lane, fit, "lane", "lane"),
    }
    return Prediction(parts)


def _count(ids: Pixels, window: tuple[int, int, int, int], owner: int) -> tuple[Pixels, int]:
    """The window's pixels of ``owner`` (uint8 0/255) and how many they are."""
    x1, y1, x2, y2 = window
    if x2 <= x1 or y2 <= y1:
        return np.zeros((0, 0), np.uint8), 0
    own = pixels_of(ids[y1:y2, x1:x2], owner)
    return own, cv2.countNonZero(own)
