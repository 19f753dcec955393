"""Draws every look of the painter into one picture, small frames on the left, large ones, made smaller, on the right.

``python -m tests.outputs.sheet docs/looks.jpg [FOLDER]``; FOLDER gets each look as a PNG of its own at full size.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.class_sets import CITYSCAPES, ETRI
from contracts.config import LAYERS, Layer
from contracts.fit import Letterbox, box_window
from contracts.palette import palette_of
from contracts.picture import Picture, Pixels
from contracts.prediction import Attributes, Classification, ClassMap, Detections, InstanceMasks, Mask, Part, Prediction
from pipeline.regions import Regions
from sources.synthetic.drive import SyntheticDrive
from tests.outputs.scenes import FIGURES, REGIONS, painter, result_of

SIZES = ((640, 360), (3840, 2160))
TILE = (640, 360)
_QUALITY = 20  # of the JPEG: the file stays below 250 kB
_ETRI_OF = {"road": "drivable area", "person": "pedestrian", "bicycle": "bicycle/motorcycle", "sky": "other"}
_ETRI_OF |= {"terrain": "other vertical object", "vegetation": "other vertical object"}
AGENTS: tuple[tuple[str, Attributes], ...] = (
    ("car", {"location": ("VehLane",), "actions": ("Brake",)}),
    ("car", {"location": ("IncomLane",), "actions": ("IncatLft",)}),
    ("bus", {"location": ("Parking",), "actions": ()}),
    ("car", {"location": ("Jun",), "actions": ("Brake", "IncatRht")}),
    ("car", {"location": ("OutgoLane",), "actions": ("IncatLft", "IncatRht", "HazLit")}),
    ("car", {"location": ("bus stop",), "actions": ("Brake", "reversing")}),
)
"""Class and answers; "bus stop" and "reversing" have no icon."""
WASTE = Classification(
    np.array([1, 0, 3, 2, 4], np.int32),
    np.array([0.83, 0.09, 0.05, 0.02, 0.01], np.float32),
    ("paper", "beverage carton", "glass", "light packaging", "residual waste"),
    ("", "Empty it, press it flat and put it into the yellow bin; caps may stay on. Not into paper: it has a plastic"
     " and often an aluminium layer.", "", "", ""),
)  # fmt: skip


def looks(picture: Picture, truth: Prediction) -> dict[str, tuple[Prediction, tuple[Layer, ...]]]:
    """Name → what is predicted and which layers are drawn."""
    boxes: Part = truth["boxes"]
    cityscapes = class_map(picture, truth, tuple(CITYSCAPES))
    areas: dict[str, Part] = {"drivable": truth["drivable"], "lane": truth["lane"]}
    return {
        "boxes": (Prediction({"boxes": boxes}), ("boxes", "labels")),
        "areas": (Prediction(areas), ("drivable", "lanes")),
        "cityscapes": (Prediction({"scene": cityscapes}), ("drivable", "labels")),
        "etri": (Prediction({"scene": class_map(picture, truth, tuple(ETRI))}), ("drivable", "labels")),
        "classification": (Prediction({"waste": WASTE}), ("labels",)),
        "agents": (Prediction({"agents": road_agents(picture, boxes)}), ("boxes", "labels")),
        "regions": (Prediction({"boxes": boxes}), ("boxes", "labels", "regions")),
        "truth": (Prediction({"boxes": some(boxes)}), ("boxes", "labels", "drivable", "lanes")),
        "everything": (
            Prediction({"boxes": boxes, "lane": areas["lane"], "scene": cityscapes, "waste": WASTE}),
            LAYERS,
        ),
    }


def some(boxes: Part) -> Detections:
    """Every other box, as a network that misses some."""
    assert isinstance(boxes, Detections)
    return boxes.chosen(np.arange(0, len(boxes), 2))


def road_agents(picture: Picture, boxes: Part) -> InstanceMasks:
    """The near vehicles as a network describes them, each where and lit as nobody else; cushions as masks."""
    assert isinstance(boxes, Detections)
    vehicle = np.isin([boxes.name(index) for index in range(len(boxes))], ("car", "bus", "truck"))
    near = boxes.boxes[:, 3] - boxes.boxes[:, 1] > picture.height / 20
    found = boxes.chosen(np.flatnonzero(vehicle & near))
    described = [AGENTS[index % len(AGENTS)] for index in range(len(found))]
    masks = []
    for box in found.boxes:
        window = box_window(box)
        across, down = (np.linspace(-1, 1, length) ** 4 for length in (window.width, window.height))
        masks.append((across + down[:, None] <= 1).astype(np.uint8))
    ids = np.array([boxes.names.index(name) for name, _ in described], np.int32)
    return InstanceMasks(
        replace(found, class_ids=ids, attributes=tuple(answers for _, answers in described)), tuple(masks)
    )


def class_map(picture: Picture, truth: Prediction, names: tuple[str, ...]) -> ClassMap:
    """A map as a network of 640 × 384 might give it: truth where there is one, else by place and colour."""
    drivable, boxes = truth["drivable"], truth["boxes"]
    assert isinstance(drivable, Mask)
    assert isinstance(boxes, Detections)
    ids = np.full((picture.height, picture.width), _id("building", names), np.uint8)
    hue, saturation, value = cv2.split(cv2.cvtColor(picture.bgr(), cv2.COLOR_BGR2HSV))
    horizon = int(np.flatnonzero(drivable.data.any(axis=1))[0])
    upper = np.arange(picture.height)[:, None] < horizon
    ids[upper & (value > 150) & (saturation < 140)] = _id("sky", names)
    ids[(hue > 30) & (hue < 85) & (saturation > 60)] = _id("vegetation", names)
    ids[~upper & (ids == _id("building", names))] = _id("sidewalk", names)
    ids[drivable.data == 1] = _id("road", names)
    for index, (x1, y1, x2, y2) in enumerate(boxes.boxes.astype(int).tolist()):
        ids[y1:y2, x1:x2] = _id(boxes.name(index), names)
    fit = Letterbox(picture.width, picture.height, 640, 384)
    window = fit.content
    fitted = np.zeros((384, 640), np.uint8)
    content = cv2.medianBlur(cv2.resize(ids, (window.width, window.height), interpolation=cv2.INTER_NEAREST), 5)
    fitted[window.top : window.top + window.height, window.left : window.left + window.width] = content
    return ClassMap(fitted, fit, names, palette_of((), names))


def _id(name: str, names: tuple[str, ...]) -> int:
    name = "bicycle" if name == "two_wheeler" else name
    known = name if name in names else _ETRI_OF.get(name, "other vehicle")
    return names.index(known if known in names else "car")


def drawn(size: tuple[int, int]) -> dict[str, NDArray[np.uint8]]:
    """Name of the look → BGR (height, width, 3)."""
    pixels, truth = SyntheticDrive("city", 1, size, Fraction(30)).render(77)
    picture = Picture.from_bgr(pixels)
    counting, frame = Regions(REGIONS, away_s=1.0), result_of(picture).frame
    found = {}
    for name, (prediction, layers) in looks(picture, truth).items():
        result = result_of(picture, counting.counted(prediction, frame), truth)
        found[name] = painter(*layers, areas=True, truth=name == "truth").paint(result, FIGURES).bgr()
    return found


def sheet(small: dict[str, Pixels], large: dict[str, Pixels]) -> Pixels:
    """One row per look, both sizes beside each other."""
    rows = [
        np.hstack([cv2.resize(of_size[name], TILE, interpolation=cv2.INTER_AREA) for of_size in (small, large)])
        for name in small
    ]
    return np.vstack(rows)


def main(target: Path, folder: Path | None) -> None:
    """Write the sheet, and single looks where a folder is named."""
    pictures = [drawn(size) for size in SIZES]
    cv2.imwrite(str(target), sheet(*pictures), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for of_size in pictures:
            for name, pixels in of_size.items():
                cv2.imwrite(str(folder / f"{name}-{pixels.shape[1]}.png"), pixels)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
