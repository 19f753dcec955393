"""Truth: the labels of a picture in the form a network's prediction has.

Heads are called as in the set, which is what our networks call them: ``boxes``, ``drivable``, ``lane``, ``classes``,
``label``. What does not count (crowds, boxes a teacher was unsure of, 255 in a mask) is no truth, and left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from contracts.fit import Stretch, Window
from contracts.palette import palette_of
from contracts.picture import Pixels
from contracts.prediction import Classification, ClassMap, Detections, Mask, MaskRole, Part, Prediction
from sources.datasets.sample import BOXES, LABEL, UNCOUNTED, Sample

_BACKGROUND = "background"
_ROLES: Mapping[str, MaskRole] = {"drivable": "drivable", "lane": "lane"}


def truth_of(
    sample: Sample, classes: Mapping[str, tuple[str, ...]], size: tuple[int, int], place: Window
) -> Prediction:
    """The labels on a frame of ``size`` (width, height) in which the whole picture lies at ``place``.

    classes: names per head, of every id that the sample has. Heads that this picture is not labelled for are absent.
    """
    parts: dict[str, Part] = {}
    if BOXES in classes and not _is_unlabelled(sample):
        parts[BOXES] = _detections(sample, classes[BOXES], place)
    for head, mask in sample.masks.items():
        parts[head] = _area(head, mask, classes[head], size, place)
    if sample.label is not None:
        parts[LABEL] = Classification(np.array([sample.label], np.int32), np.ones(1, np.float32), classes[LABEL])
    return Prediction(parts)


def _is_unlabelled(sample: Sample) -> bool:
    """Whether nobody looked for boxes in it: the whole picture is one region that does not count."""
    if len(sample.boxes) != 1 or sample.counts[0]:
        return False
    height, width = sample.picture.shape[:2]
    return bool((sample.boxes[0] == (0, 0, width, height)).all())


def _detections(sample: Sample, names: tuple[str, ...], place: Window) -> Detections:
    height, width = sample.picture.shape[:2]
    scale = np.array([place.width / width, place.height / height] * 2, np.float32)
    offset = np.array([place.left, place.top] * 2, np.float32)
    boxes = (sample.boxes[sample.counts] * scale + offset).astype(np.float32)
    return Detections(boxes, np.ones(len(boxes), np.float32), sample.class_ids[sample.counts].astype(np.int32), names)


def _area(head: str, ids: Pixels, names: tuple[str, ...], size: tuple[int, int], place: Window) -> Mask | ClassMap:
    """A yes/no area where the set has one class beside the background, else a class per pixel."""
    fit = Stretch(*size, *size)
    if len(names) == 2 and names[0].lower() == _BACKGROUND:
        return Mask(_placed((ids == 1).astype(np.uint8), size, place, 0), fit, names[1], _ROLES.get(head, ""))
    return ClassMap(_placed(ids, size, place, UNCOUNTED), fit, names, palette_of((), names))


def _placed(ids: Pixels, size: tuple[int, int], place: Window, beside: int) -> Pixels:
    """Numbers of the picture on the frame, ``beside`` where the frame shows something else."""
    if place == Window(0, 0, *size) and ids.shape == (size[1], size[0]):
        return ids
    whole: Pixels = np.full((size[1], size[0]), beside, np.uint8)
    scaled = cv2.resize(ids, (place.width, place.height), interpolation=cv2.INTER_NEAREST_EXACT)
    whole[place.top : place.top + place.height, place.left : place.left + place.width] = scaled
    return whole
