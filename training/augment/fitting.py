"""The plain picture at the size of a network: what a run would show the network, with its labels moved along."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from contracts.fit import Fit, Letterbox, Stretch, Window
from contracts.picture import Picture, Pixels
from engines.scale import Scaler
from sources.datasets.sample import UNCOUNTED, Sample

FitName = Literal["letterbox", "stretch"]


def fit_of(picture: Pixels, size: tuple[int, int], fit: FitName) -> Fit:
    """How a picture (H, W, 3) lies in a network's input; size is (width, height)."""
    kind = Letterbox if fit == "letterbox" else Stretch
    return kind(picture.shape[1], picture.shape[0], *size)


def fitted(sample: Sample, size: tuple[int, int], fit: FitName, pad: int = 114) -> Sample:
    """The sample at ``size`` (width, height), scaled by the code that scales frames in a run.

    Around the picture lie ``pad`` and, in the masks, 255. Masks take the nearest pixel's class.
    """
    lying = fit_of(sample.picture, size, fit)
    window = lying.content
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    picture: Pixels = np.full((size[1], size[0], 3), pad, np.uint8)
    source = Picture("bgr24", (np.ascontiguousarray(sample.picture),))
    Scaler().packed(source, "bgr", picture[rows, columns])
    masks = {}
    for head, mask in sample.masks.items():
        masks[head] = np.full((size[1], size[0]), UNCOUNTED, np.uint8)
        masks[head][rows, columns] = _nearest(mask, window)
    boxes = lying.to_network(sample.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    return replace(sample, picture=picture, boxes=boxes, masks=masks)


def _nearest(mask: Pixels, window: Window) -> Pixels:
    """INTER_NEAREST takes the corner of each pixel, half a pixel beside what the picture shows; this its centre."""
    scaled = cv2.resize(mask, (window.width, window.height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(scaled, np.uint8)
