"""Pictures, predictions and painters for the tests of drawing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from contracts.config import Layer
from contracts.fit import Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import ColourMatrix, Picture
from contracts.polygon import Polygon
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, MaskRole, Part, Prediction
from contracts.result import Result, Timings
from outputs.draw import Painter, PanelFigures

NAMES = ("person", "car", "autobús", "車", "weird\nname")
FIGURES = PanelFigures(29.97, (("decode", 4.2), ("infer", 41.7), ("draw", 1.5)), 62.4, 118.0, ("twinlitenet",))
NOTHING = Prediction()
REGIONS = {"verge": (Polygon.parse("55%,30% 80%,30% 95%,60% 60%,60%"),)}
IGNORE = (Polygon.parse("0%,80% 30%,80% 30%,100% 0%,100%"),)


def noise(width: int, height: int, seed: int = 0, matrix: ColourMatrix = "bt709") -> Picture:
    """A yuv420p picture whose planes are padded, read-only views, as a decoder's are."""
    random = np.random.default_rng(seed)
    planes = []
    for across, down in ((width, height), (-(-width // 2), -(-height // 2)), (-(-width // 2), -(-height // 2))):
        padded = random.integers(16, 236, (down, across + 13), np.uint8)
        padded.flags.writeable = False
        planes.append(padded[:, :across])
    return Picture("yuv420p", tuple(planes), matrix, tagged=True)


def grey(width: int, height: int, matrix: ColourMatrix = "bt709") -> Picture:
    half = (-(-height // 2), -(-width // 2))
    planes = (np.full((height, width), 100, np.uint8), np.full(half, 128, np.uint8), np.full(half, 128, np.uint8))
    return Picture("yuv420p", planes, matrix, tagged=True)


def result_of(picture: Picture, prediction: Prediction = NOTHING, truth: Prediction | None = None) -> Result:
    source = SourceInfo("clip", "clip.mp4", picture.width, picture.height, Fraction(25), Fraction(1, 25))
    frame = Frame(picture, 0, Fraction(0), 0, source, truth)
    return Result(frame, prediction, Timings(0), lambda given: given.frame.picture)


def detections(boxes: Sequence[Sequence[float]], classes: Sequence[int] | None = None) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.95, 0.3, count, dtype=np.float32),
        np.array(classes if classes is not None else range(count), np.int32) % len(NAMES),
        NAMES,
    )


def area(picture: Picture, rows: slice, role: MaskRole = "drivable") -> Mask:
    """A mask of 60 × 40 pixels, set in some rows."""
    data = np.zeros((40, 60), np.uint8)
    data[rows] = 1
    return Mask(data, Stretch(picture.width, picture.height, 60, 40), role, role)


def painter(
    *layers: Layer,
    alpha: float = 0.45,
    palette: str = "okabe-ito",
    areas: bool = False,
    truth: bool = False,
    output_size: tuple[int, int] | None = None,
) -> Painter:
    """areas: with ``REGIONS`` and ``IGNORE``, which show in the layer "regions" only."""
    regions, ignore = (REGIONS, IGNORE) if areas else ({}, ())
    return Painter(layers, alpha, palette, truth=truth, regions=regions, ignore=ignore, output_size=output_size)


def changed(after: Picture, before: Picture) -> NDArray[np.bool_]:
    """Where luma or chroma differ, at luma resolution (even sizes)."""
    where = after.planes[0] != before.planes[0]
    for new, old in zip(after.planes[1:], before.planes[1:], strict=True):
        where |= np.repeat(np.repeat(new != old, 2, axis=0), 2, axis=1)
    return np.asarray(where)


def crowded(picture: Picture) -> Prediction:
    """Something for every layer: two areas, lanes, boxes of two heads, a class map, a classification."""
    width, height = picture.width, picture.height
    boxes = detections([[width * 0.6, height * 0.5, width * 0.9, height * 0.8], [width * 0.7, 0, width, height * 0.2]])
    more = detections([[width * 0.1, height * 0.7, width * 0.5, height * 0.95]], [3])
    ids = np.zeros((4, 4), np.uint8)
    ids[3] = 1
    parts: dict[str, Part] = {
        "boxes": boxes,
        "instances": InstanceMasks(more, (np.ones((5, 5), np.uint8),)),
        "road": area(picture, slice(28, 40)),
        "lane": area(picture, slice(34, 36), "lane"),
        "map": ClassMap(ids, Stretch(width, height, 4, 4), ("background", "sky"), ((1, 2, 3),) * 2),
        "kind": Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("street",)),
    }
    return Prediction(parts)


def one_box(box: list[float], class_id: int, score: float) -> Detections:
    ids, scores = np.array([class_id], np.int32), np.array([score], np.float32)
    return Detections(np.array([box], np.float32), scores, ids, NAMES)
