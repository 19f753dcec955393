"""The class sets DDRNet is published or used with, in the order of their ids."""

from __future__ import annotations

CITYSCAPES = {
    "road": "#804080",
    "sidewalk": "#f423e8",
    "building": "#464646",
    "wall": "#66669c",
    "fence": "#be9999",
    "pole": "#999999",
    "traffic light": "#faaa1e",
    "traffic sign": "#dcdc00",
    "vegetation": "#6b8e23",
    "terrain": "#98fb98",
    "sky": "#4682b4",
    "person": "#dc143c",
    "rider": "#ff0000",
    "car": "#00008e",
    "truck": "#000046",
    "bus": "#003c64",
    "train": "#005064",
    "motorcycle": "#0000e6",
    "bicycle": "#770b20",
}
"""The 19 training classes of Cityscapes and the colours of its figures (Cordts et al. 2016, arXiv:1604.01685)."""

ETRI = (
    "drivable area",
    "sidewalk",
    "road marking",
    "lane",
    "kerb",
    "wall/fence",
    "car",
    "truck",
    "bus",
    "bicycle/motorcycle",
    "other vehicle",
    "pedestrian",
    "rider",
    "cone/pole for traffic",
    "other vertical object",
    "building",
    "traffic sign",
    "traffic light",
    "other",
)
"""The 19 classes of ETRI's road data set."""


def palette(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The colours people know for a class set; empty where it has none."""
    return tuple(CITYSCAPES.values()) if classes == tuple(CITYSCAPES) else ()
