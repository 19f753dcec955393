"""Draws a labelled picture twice, side by side: with its truth, and with what a head saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Part
from sources.datasets.sample import BOXES, UNCOUNTED, Sample

_WIDTH = 600
"""Of each side, px."""
_QUALITY = 82
_GAP = 6
_FOUND = (115, 158, 0)
_WANTED = (233, 180, 86)
_UNCOUNTED = (150, 150, 150)
"""BGR: green and sky blue of Okabe and Ito's colours, which colour-blind people can tell apart; grey."""
_COLOURS = np.array(
    [(0, 159, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240), (178, 114, 0), (0, 94, 213), (167, 121, 204)],
    np.uint8,
)
"""BGR, the same authors' other colours; classes of a map take them in turn."""


def side_by_side(sample: Sample, part: Part, key: str, names: Sequence[str], score: float) -> bytes:
    """JPEG: truth on the left, prediction on the right. key, names: of the labels and their classes.

    score: boxes below it are not drawn.
    """
    scale = _WIDTH / sample.picture.shape[1]
    size = (_WIDTH, max(1, round(sample.picture.shape[0] * scale)))
    small: Pixels = np.asarray(cv2.resize(sample.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    left, right = small.copy(), small.copy()
    _draw_truth(left, sample, key, names, scale)
    _draw_part(right, part, score, scale)
    gap = np.full((size[1], _GAP, 3), 255, np.uint8)
    done, coded = cv2.imencode(".jpg", np.hstack([left, gap, right]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done  # memory is there, and the ending is known
    return coded.tobytes()


def _draw_truth(canvas: Pixels, sample: Sample, key: str, names: Sequence[str], scale: float) -> None:
    if key == BOXES:
        for box, class_id, counts in zip(sample.boxes * scale, sample.class_ids, sample.counts, strict=True):
            _rectangle(canvas, box, _WANTED if counts else _UNCOUNTED)
            if counts:
                _write(canvas, box, names[class_id])
    elif key in sample.masks:
        labels = sample.masks[key]
        if labels[labels != UNCOUNTED].max(initial=0) <= 1:
            _tint(canvas, labels == 1, _WANTED)
        else:
            _tint_classes(canvas, labels)
        _tint(canvas, labels == UNCOUNTED, _UNCOUNTED)
    elif sample.label is not None:
        _list(canvas, [names[sample.label]])


def _draw_part(canvas: Pixels, part: Part, score: float, scale: float) -> None:
    if isinstance(part, InstanceMasks):
        part = part.detections
    if isinstance(part, Detections):
        for index in np.flatnonzero(part.scores >= score):
            _rectangle(canvas, part.boxes[index] * scale, _FOUND)
            _write(canvas, part.boxes[index] * scale, f"{part.name(int(index))} {part.scores[index]:.2f}")
    elif isinstance(part, Mask):
        _tint(canvas, part.content() != 0, _FOUND)
    elif isinstance(part, ClassMap):
        _tint_classes(canvas, part.fit.content_of(part.ids))
    elif isinstance(part, Classification):
        _list(
            canvas,
            (f"{part.scores[place]:.2f} {part.names[int(part.class_ids[place])]}" for place in range(len(part.scores))),
        )


def _tint(canvas: Pixels, area: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    """Half of the colour over an area, bool (h, w) at any resolution. A line stays seen when it is made smaller."""
    size = (canvas.shape[1], canvas.shape[0])
    grown = cv2.resize(area.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 63
    canvas[grown] = canvas[grown] // 2 + np.array(colour, np.uint8) // 2


def _tint_classes(canvas: Pixels, ids: NDArray[np.uint8]) -> None:
    size = (canvas.shape[1], canvas.shape[0])
    near = cv2.resize(np.ascontiguousarray(ids), size, interpolation=cv2.INTER_NEAREST)
    np.copyto(canvas, canvas // 2 + _COLOURS[near % len(_COLOURS)] // 2)


def _rectangle(canvas: Pixels, box: NDArray[np.float32], colour: tuple[int, int, int]) -> None:
    left, top, right, bottom = (round(float(value)) for value in box)
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)


def _write(canvas: Pixels, box: NDArray[np.float32], text: str) -> None:
    place = (max(round(float(box[0])), 0), max(round(float(box[1])) - 3, 10))
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, width, cv2.LINE_AA)


def _list(canvas: Pixels, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines, 1):
        _write(canvas, np.array([8, number * 18, 0, 0], np.float32), line)
