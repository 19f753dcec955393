"""Class sets that road networks share: names in the order of their ids, and the colour of each as #rrggbb."""

from __future__ import annotations

from collections.abc import Mapping

CITYSCAPES: Mapping[str, str] = {
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

ETRI: Mapping[str, str] = {
    "drivable area": "#2fa866",
    "sidewalk": "#d98cd9",
    "road marking": "#ffe14d",
    "lane": "#ffffff",
    "kerb": "#ff8a3d",
    "wall/fence": "#b08a7a",
    "car": "#2f7bff",
    "truck": "#00b4d8",
    "bus": "#0d9488",
    "bicycle/motorcycle": "#8a5cff",
    "other vehicle": "#5c7cba",
    "pedestrian": "#ff3355",
    "rider": "#ff6f91",
    "cone/pole for traffic": "#ff5a00",
    "other vertical object": "#a3a380",
    "building": "#6d7587",
    "traffic sign": "#e6c200",
    "traffic light": "#c8102e",
    "other": "#3f4a56",
}
"""The 19 classes of ETRI's road data set. It has no standard colours; these are ours: greens and pale tones lie on the
ground, blues drive, reds are people, greys stand."""
